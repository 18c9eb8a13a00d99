//! What the services share: the contract between them, and the plumbing that they stand on.
//!
//! Eight layers. Each knows only the layers before it in this list; `stream` and `live` do not know
//! each other. A test holds the arrows.
//!
//! * [`base`]: settings, logging, waiting and ending, for every layer.
//! * [`contract`]: ids, money, time and the events on the wire, which both services agree on.
//! * [`redis`]: the client of a Redis server, of a Sentinel system or of a cluster.
//! * [`store`]: the store that a service owns, and the functions that change it.
//! * [`stream`]: consumer groups: reading, acting, acknowledging, and replay after a loss.
//! * [`live`]: changes of a service's own store, for clients that watch.
//! * [`http`]: connections, requests, answers and documents.
//! * [`service`]: a process with its command line, its settings and its parts.
//!
//! # Words
//!
//! A word means this in the whole tree. A row says so where a word has a second meaning.
//!
//! | Word | Meaning |
//! | --- | --- |
//! | entry | what a Redis Stream holds: an id and fields; one event is one entry |
//! | delivery | an entry on its way to a handler; at least one for each entry |
//! | pending | an entry: delivered, not acknowledged; an order: placed, not yet paid or cancelled |
//! | settle | to end a delivery: effect or dead letter are stored, then the entry is acknowledged |
//! | attempt | one handing over of an entry to a handler; counted if it may kill the consumer |
//! | look | one reading of the state of a store; a task repeats it, and two may have to agree |
//! | round | one turn of a loop: of a consumer, or of a task that repeats |
//! | dead letter | an entry that no handler could act on, kept with its fields and the reason |
//! | park | to make an entry a dead letter, so that the entries after it flow |
//! | checkpoint | how far a stream was acted on, kept in the store that has the effects |
//! | replay | acting again, in a pass, on recent entries, because the store may have forgotten them |
//! | mark | a note in a store that a replay is due; for clients that watch: the place of a change |
//! | incarnation | the life of a store's server and data, named by its replication ids |
//! | foreign group | a consumer group of a stream beside the group of its event type |
//! | partition | the keys in one slot of a cluster; each id belongs to one. In chaos: cut links |
//! | identity | the key with the owner of a store, its partitions, and its layout (version of keys) |
//! | claim | what a store remembers of an idempotency key: the request and its answer |
//! | record | what inventory keeps of an order; in [`store::sweep`]: what is removed by age |
//! | movement | one change of the stock of a product, with its reason; all of them are its ledger |
//! | release | to give stock of an order back and refund it; a surplus goes back without a refund |
//! | request scope | what one HTTP request carries: its id, its trace, its client, its deadline |

pub mod base;

pub mod contract;

pub mod redis;

pub mod store;

pub mod stream;

pub mod live;

pub mod http;

pub mod service;
