// What a scenario saw: values by label, printed as one JSON document that the Python side compares.
const seen = [];

/** Keep a value that any two networks must agree on. */
export function record(label, value) {
  seen.push([label, value]);
}

/** Print the record; the last thing a scenario does. */
export function print() {
  const plain = (_, value) => (typeof value === "bigint" ? value.toString() : (value ?? null));
  process.stdout.write(JSON.stringify({ seen }, plain));
}
