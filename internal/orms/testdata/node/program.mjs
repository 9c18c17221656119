// What the programs of Node's mappers share: see doc.go two folders up.

let feature = "";

export function show(...values) {
  console.log(feature + "\t" + values.map((v) => (typeof v === "string" ? v : text(v))).join(" "));
}

function text(v) {
  return JSON.stringify(v, (_, value) => {
    if (typeof value === "bigint") return `${value}n`;
    if (value?.type === "Buffer") return "Buffer " + Buffer.from(value.data).toString("hex");
    if (value instanceof Uint8Array) return "Buffer " + Buffer.from(value).toString("hex");
    return value;
  });
}

// play plays the features, each [name, code], and says FAILED for what one throws.
// begins is called with each name.
export async function play(version, begins, features) {
  console.log("version\t" + version);
  for (const [name, code] of features) {
    feature = name;
    await begins(name);
    try {
      await code();
    } catch (error) {
      show("FAILED: " + String(error.stack ?? error).split(/\s+/).join(" "));
    }
  }
}

// searches runs each of { label: code }, whose code gives how many it found.
export async function searches(all) {
  for (const [label, code] of Object.entries(all)) {
    try {
      show(label, "found", String(await code()));
    } catch (error) {
      show(label, "refused", String(error.code));
    }
  }
}

// values are those of the n-th note.
export function values(n) {
  return {
    body: `secret body ${n}: Grüße, 'quoted' 100% \\ back $1`, doc: { k: `secret ${n}`, list: [1, 2.5, null], deep: { a: "é" } },
    raw: Buffer.concat([Buffer.from("\0\u00ffsecret", "latin1"), Buffer.from([n])]), code: `secret${n}`,
    at: new Date(Date.UTC(2024, 1, 29, 12, 34, 56, 789)), day: `2024-02-${String((n % 28) + 1).padStart(2, "0")}`, n: n - 5,
    big: String(n * 2 ** 40), f: n / 3, amount: `${n}.25`, uid: `00000000-0000-0000-0000-${String(n).padStart(12, "0")}`, ok: n % 2 === 0,
  };
}
