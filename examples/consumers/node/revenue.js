// Sums the revenue of each product from the events `order_completed` of payments.
//
// A third service in JavaScript. It knows the published contract (docs/events.md) and nothing else. The
// sums lie in a Redis of its own: `HGETALL revenue` shows whole minor units (cents) for each product.
"use strict";

const os = require("node:os");
const { setTimeout: sleep } = require("node:timers/promises");
const { createClient, RESP_TYPES } = require("@redis/client");

const STREAM = "order_completed";
const GROUP = "revenue-node";
const EVENT_TYPE = "order.completed.v1";

// Entries of one read, and of one call of COUNT_ORDERS.
const BATCH = 100;
// How long a read waits for a new entry. A signal is noticed after at most this time.
const BLOCK_MS = 2_000;
// Longest silence of a store. Longer than BLOCK_MS, so that a waiting read does not count as a broken
// connection.
const ANSWER_LIMIT_MS = 10_000;
// Waits after failures in a row.
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 5_000;
// The most dead letters that are kept.
const MAX_DEAD_LETTERS = 10_000;

const MONEY = /^(0|[1-9][0-9]{0,9})\.[0-9]{2}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

// The effect of a batch: each order is counted if its `ce_id` was not counted before. Both writes of an
// order are one step, so a crash leaves both or neither. After a crash the batch is delivered again.
const COUNT_ORDERS = `
local counted = 0
for i = 1, #ARGV, 3 do
  local ce_id, product, minor = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('SISMEMBER', KEYS[1], ce_id) == 0 then
    redis.call('HINCRBY', KEYS[2], product, minor)
    redis.call('SADD', KEYS[1], ce_id)
    counted = counted + 1
  end
end
return counted
`;

const log = (...words) => console.log(new Date().toISOString(), ...words);

class Consumer {
  constructor({ streamUrl, ownUrl, name, reclaimIdleMs }) {
    Object.assign(this, { streamUrl, ownUrl, name, reclaimIdleMs });
    this.reclaimAt = 0;
    this.failures = 0;
    this.stopping = new AbortController();
  }

  get isStopping() {
    return this.stopping.signal.aborted;
  }

  // Consumes until the process is to stop. A failure leaves pending entries, which are read again.
  async run() {
    while (!this.isStopping) {
      const stores = [connection(this.streamUrl), connection(this.ownUrl)];
      try {
        [this.stream, this.own] = await Promise.all(stores.map((store) => store.connect()));
        await this.consume();
      } catch (error) {
        this.failures += 1;
        log("failure", this.failures, error.message);
        const wait = Math.min(FIRST_WAIT_MS * 2 ** this.failures, LONGEST_WAIT_MS);
        const signal = this.stopping.signal;
        await sleep(wait * (0.5 + Math.random() / 2), null, { signal }).catch(() => {});
      } finally {
        stores.filter((store) => store.isOpen).forEach((store) => store.destroy());
      }
    }
  }

  async consume() {
    await this.ensureGroup();
    await this.settleOwnPending();
    log("reading", STREAM, "as", this.name, "of", GROUP);
    while (!this.isStopping) {
      await this.reclaim();
      await this.settle(await this.read("BLOCK", `${BLOCK_MS}`, "STREAMS", STREAM, ">"));
      this.failures = 0;
    }
  }

  // Makes the group at the beginning of the stream, so that it misses no entry.
  async ensureGroup() {
    try {
      await this.stream.sendCommand(["XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM"]);
    } catch (error) {
      if (!error.message.startsWith("BUSYGROUP")) throw error;
    }
  }

  // Settles the entries that this consumer held when it died.
  async settleOwnPending() {
    while (!this.isStopping) {
      const entries = await this.read("STREAMS", STREAM, "0");
      if (entries.length === 0) return;
      await this.settle(entries);
    }
  }

  // Takes over the entries that a dead consumer of the group held for a while.
  async reclaim() {
    if (performance.now() < this.reclaimAt) return;
    let cursor = "0-0";
    do {
      const from = [STREAM, GROUP, this.name, `${this.reclaimIdleMs}`, cursor, "COUNT", `${BATCH}`];
      const [next, entries, trimmed] = await this.stream.sendCommand(["XAUTOCLAIM", ...from]);
      if (trimmed.length > 0) {
        log(trimmed.length, "entries were trimmed before this group acknowledged them");
      }
      await this.settle(entries);
      cursor = next.toString();
    } while (cursor !== "0-0" && !this.isStopping);
    this.reclaimAt = performance.now() + this.reclaimIdleMs;
  }

  async read(...how) {
    const reader = ["GROUP", GROUP, this.name, "COUNT", `${BATCH}`];
    const answer = await this.stream.sendCommand(["XREADGROUP", ...reader, ...how]);
    return answer === null ? [] : answer[0][1];
  }

  // Stores the effect of each entry first, and acknowledges the entries last.
  async settle(entries) {
    if (entries.length === 0) return;
    const orders = [];
    for (const [id, fields] of entries) {
      const order = readOrder(fields);
      if (order.wrong) await this.park(id, fields ?? [], order.wrong);
      else orders.push(order.ceId, order.product, order.minor);
    }
    if (orders.length > 0) {
      const keys = ["2", "seen", "revenue"];
      const counted = await this.own.sendCommand(["EVAL", COUNT_ORDERS, ...keys, ...orders]);
      log("counted", counted, "of", orders.length / 3, "orders");
    }
    await this.stream.sendCommand(["XACK", STREAM, GROUP, ...entries.map(([id]) => id)]);
  }

  // Keeps an entry that cannot be read, with all its bytes, for a person.
  async park(id, fields, reason) {
    const letter = ["dl_entry_id", id, "dl_reason", reason, ...fields];
    const kept = ["MAXLEN", "~", `${MAX_DEAD_LETTERS}`, "*"];
    await this.own.sendCommand(["XADD", "dead_letters", ...kept, ...letter]);
    log("parked", id.toString(), reason);
  }
}

// A connection that fails instead of waiting for its store: `run` tries again. Texts are bytes, because
// an entry that cannot be read may have any bytes.
function connection(url) {
  const socket = { connectTimeout: ANSWER_LIMIT_MS, socketTimeout: ANSWER_LIMIT_MS };
  const client = createClient({
    url,
    socket: { ...socket, reconnectStrategy: false },
    disableClientInfo: true,
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
  // The command that is under way fails as well, and says why.
  return client.on("error", () => {});
}

// The `ce_id`, the product, and the total in minor units; or what is wrong. Fields that it does not know
// are ignored. The total stays a text of digits: a number of JavaScript may round it.
function readOrder(fields) {
  if (fields === null) {
    return { wrong: "the entry was trimmed before this group acknowledged it" };
  }
  const named = new Map();
  for (let i = 0; i < fields.length; i += 2) {
    named.set(fields[i].toString(), fields[i + 1].toString());
  }
  const [type, ceId, product = "", total = ""] = ["ce_type", "ce_id", "product_id", "total"].map(
    (name) => named.get(name),
  );
  if (type !== EVENT_TYPE) return { wrong: `unknown event type ${JSON.stringify(type)}` };
  if (!ceId) return { wrong: "ce_id is missing" };
  if (!UUID.test(product)) return { wrong: `product_id is ${JSON.stringify(product)}` };
  if (!MONEY.test(total)) return { wrong: `total is ${JSON.stringify(total)}` };
  return { ceId, product, minor: BigInt(total.replace(".", "")).toString() };
}

function setting(name, byDefault) {
  const value = process.env[name] || byDefault;
  if (value === undefined) {
    console.error(`${name} is not set`);
    process.exit(1);
  }
  return value;
}

const reclaimIdle = setting("RECLAIM_IDLE_MS", "30000");
if (!/^[1-9][0-9]{0,8}$/.test(reclaimIdle)) {
  console.error("RECLAIM_IDLE_MS is not a whole number from 1 to 999999999");
  process.exit(1);
}
const consumer = new Consumer({
  streamUrl: setting("PAYMENTS_REDIS_URL"),
  ownUrl: setting("REVENUE_REDIS_URL"),
  name: setting("CONSUMER_NAME", os.hostname()),
  reclaimIdleMs: Number(reclaimIdle),
});
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => consumer.stopping.abort());
}
consumer.run().then(() => log("stopped"));
