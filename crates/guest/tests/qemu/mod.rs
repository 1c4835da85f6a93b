//! Runs what `make guest` built under qemu-riscv64.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

pub struct Run {
    pub exit_code: i32,
    pub output: Vec<u8>,
    pub message: String,
}

impl Run {
    /// How many instructions were executed, by the plugin that `TREX_QEMU_PLUGIN` names; 0 without one.
    pub fn instructions(&self) -> u64 {
        let told = self.message.lines().rev().find_map(|line| line.strip_prefix("instructions "));
        told.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
    }
}

pub fn program(name: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let path = target.join("riscv/riscv64imac-unknown-none-elf/guest").join(name);
    assert!(path.exists(), "{} is missing: run `make guest`", path.display());
    path
}

pub fn run(name: &str, input: &[u8]) -> Run {
    let plugin = env::var_os("TREX_QEMU_PLUGIN").map(|plugin| ["-plugin".into(), plugin]);
    let mut child = Command::new("qemu-riscv64")
        .args(plugin.into_iter().flatten())
        .arg(program(name))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("qemu-riscv64 starts; it is in Debian's qemu-user");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // A program that stops early closes its input: its exit status tells.
    let _ = writer.join().unwrap();
    Run {
        exit_code: output.status.code().unwrap_or(-1),
        output: output.stdout,
        message: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
