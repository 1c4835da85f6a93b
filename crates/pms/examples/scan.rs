//! The best of many people beside one pass over the same bytes: `cargo run --release -p trex-pms --example scan
//! [PEOPLE] [QUERIES]` prints one JSON object. Rows in random order, heavy-tailed values, queries drawn at run time.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use trex_pms::{Batch, Change, Filter, Live, People, PersonId, Plan, PmsError, Scale, Term};

const CRITERIA: usize = 5;
const K: usize = 100;

/// Changes that come each second.
const UPDATES: f64 = 10_000.0;

/// How long they come at least.
const BESIDE_UPDATES: Duration = Duration::from_secs(5);

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Log-normal, sigma 2, median 100 units, in millionths.
    fn heavy(&mut self) -> i64 {
        let normal = (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        ((2.0 * normal).exp() * 1e8) as i64
    }

    fn person(&mut self) -> PersonId {
        let mut id = [0; 32];
        id.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.next().to_be_bytes()));
        id
    }
}

/// Percentiles of a column, each computed once.
struct Percentiles<'a>(&'a People, HashMap<(usize, u32), Option<i64>>);

impl Percentiles<'_> {
    fn of(&mut self, column: usize, share: u32) -> Option<i64> {
        let Self(people, known) = self;
        let all = Filter::All(vec![]);
        *known.entry((column, share)).or_insert_with(|| people.percentile(column, &all, share).ok().flatten())
    }
}

fn plan(random: &mut Random, percentiles: &mut Percentiles<'_>, filtered: f64) -> Plan {
    let everybody = Filter::All(vec![]);
    let terms = (0..CRITERIA).map(|column| {
        let mut of = |share| percentiles.of(column, share).unwrap_or(1);
        let (low, high) = (of(50), of(950));
        let scale = match random.next() % 3 {
            0 => Scale::Linear { column, low, high: high * (1 + (random.next() % 40) as i64) },
            _ => Scale::Log { column, low, high: high * (1 + (random.next() % 40) as i64) },
        };
        Term { scale, inverted: random.next().is_multiple_of(4), weight: 1 + (random.next() % 10_000) as u32 }
    });
    let terms: Vec<_> = terms.collect();
    let filter = if filtered >= 1.0 {
        everybody
    } else {
        // A width that this share of all have.
        let column = (random.next() % CRITERIA as u64) as usize;
        let low = percentiles.of(column, ((1.0 - filtered) * 1000.0) as u32);
        Filter::Range { column, low: low.unwrap_or(0), high: i64::MAX }
    };
    Plan { filter, terms }
}

fn milliseconds(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(10_000_000), |text| text.parse())?;
    let queries: usize = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let threads = std::thread::available_parallelism()?.get();
    let mut random =
        Random(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos() as u64);
    let folder = std::env::temp_dir().join(format!("trex-pms-{}", std::process::id()));
    let persons: Vec<PersonId> = (0..count).map(|_| random.person()).collect();
    let names: Vec<String> = (0..CRITERIA).map(|place| place.to_string()).collect();
    People::create(&folder, &names, &persons, 0, |_| {
        Ok(persons.iter().map(|_| (random.heavy(), 0)).collect())
    })?;
    let started = Instant::now();
    let people = People::open(&folder, &names)?;
    let opened = started.elapsed();
    // What a pass must read: four bytes for each of five criteria.
    let floats: Vec<f32> = (0..count * CRITERIA).map(|place| place as f32).collect();
    let pass = || {
        let started = Instant::now();
        let total: f32 = std::thread::scope(|scope| {
            let parts: Vec<_> = floats
                .chunks(floats.len().div_ceil(threads))
                .map(|part| {
                    scope.spawn(move || {
                        let mut sums = [0f32; 64];
                        for chunk in part.chunks_exact(64) {
                            sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
                        }
                        sums.iter().sum::<f32>()
                    })
                })
                .collect();
            parts.into_iter().map(|part| part.join().unwrap_or(0.0)).sum()
        });
        std::hint::black_box(total);
        started.elapsed()
    };
    print!(
        "{{\"people\": {count}, \"criteria\": {CRITERIA}, \"threads\": {threads}, \"open_ms\": {:.1}",
        opened.as_secs_f64() * 1e3
    );
    let mut passes = Vec::new();
    let mut percentiles = Percentiles(&people, HashMap::new());
    for (name, filtered) in [("all", 1.0), ("tenth", 0.1), ("hundredth", 0.01), ("thousandth", 0.001)] {
        let plans: Vec<_> = (0..queries).map(|_| plan(&mut random, &mut percentiles, filtered)).collect();
        let mut times = Vec::new();
        for plan in &plans {
            passes.push(pass());
            let started = Instant::now();
            std::hint::black_box(people.top(plan, K, None, threads)?);
            times.push(started.elapsed());
        }
        print!(
            ", \"{name}_ms\": [{:.1}, {:.1}]",
            milliseconds(&mut times, 0.5),
            milliseconds(&mut times, 0.99)
        );
    }
    print!(", \"pass_ms\": [{:.1}, {:.1}]", milliseconds(&mut passes, 0.5), milliseconds(&mut passes, 0.99));
    // The same while 10,000 values a second change, of which each batch takes those that have come.
    let plans: Vec<_> = (0..queries).map(|_| plan(&mut random, &mut percentiles, 1.0)).collect();
    let shared = Live::new(people);
    let done = AtomicBool::new(false);
    let (mut times, updates) = std::thread::scope(|scope| -> Result<_, PmsError> {
        let writer = scope.spawn(|| -> Result<f64, PmsError> {
            let (mut written, began) = (0u64, Instant::now());
            let mut random = Random(7);
            while !done.load(Ordering::Relaxed) {
                let come = (began.elapsed().as_secs_f64() * UPDATES) as u64;
                let change = |_| Change::Set {
                    person: persons[(random.next() % count as u64) as usize],
                    column: (random.next() % CRITERIA as u64) as u32,
                    value: random.heavy(),
                    seen: 1,
                };
                let changes: Vec<_> = (written..come).map(change).collect();
                if changes.is_empty() {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                shared.update(&Batch { offset: come, changes })?;
                written = come;
            }
            Ok(written as f64 / began.elapsed().as_secs_f64())
        });
        let mut times = Vec::new();
        let began = Instant::now();
        for plan in plans.iter().cycle() {
            let started = Instant::now();
            std::hint::black_box(shared.read().top(plan, K, None, threads)?);
            times.push(started.elapsed());
            if times.len() >= queries && began.elapsed() > BESIDE_UPDATES {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        match writer.join() {
            Ok(updates) => Ok((times, updates?)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    println!(
        ", \"all_beside_updates_ms\": [{:.1}, {:.1}], \"updates_per_s\": {updates:.0}}}",
        milliseconds(&mut times, 0.5),
        milliseconds(&mut times, 0.99)
    );
    drop(shared);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
