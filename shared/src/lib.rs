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
//! One word means one thing in the whole tree.
//!
//! | Word | Meaning |
//! | --- | --- |
//! | entry | what a Redis Stream holds: an id and fields; one event is one entry |
//! | delivery | an entry on its way to a handler; at least one for each entry |
//! | pending | delivered to a consumer of the group, and not acknowledged |
//! | settle | to end a delivery: the effect is stored, the entry is acknowledged |
//! | attempt | a delivery of an entry that was recovered; counted, because the entry may kill its consumer |
//! | dead letter | an entry that no handler could act on, kept with its fields and the reason |
//! | park | to make an entry a dead letter, so that the entries after it flow |
//! | checkpoint | how far a stream was acted on, kept in the store that has the effects |
//! | replay | acting again on the recent part of a stream, because the store may have forgotten it |
//! | incarnation | the life of a store's server and data, named by its replication ids |
//! | partition | the keys that lie in one slot of a cluster; each id belongs to one |
//! | identity | the key that says which service owns a store, its layout and its partitions |
//! | claim | what a store remembers of an idempotency key: the request and its answer |
//! | record | what inventory keeps of an order: the stock it took, or why it was rejected |
//! | request scope | what one HTTP request carries: its id, its trace, its client, its deadline |

pub mod base;

pub mod contract;

pub mod redis;

pub mod store;

pub mod stream;

pub mod live;

pub mod http;

pub mod service;
