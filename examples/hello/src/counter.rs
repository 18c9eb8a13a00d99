//! The consumer: it reads the stream as a member of its group, and counts in a store of its own.

use shared::redis::RedisError;
use shared::service::cli;
use shared::service::process::Process;
use shared::store::function::Call;
use shared::store::partition::{Partition, Partitions};
use shared::store::{Layout, Store};
use shared::stream::delivery::{Delivered, Handler, Settlement};

use crate::Config;
use crate::greeted::Greeted;

/// Acts on events. It is given each event at least once, and must count it once.
#[derive(Clone)]
struct Counter(Store);

impl Handler for Counter {
    type Event = Greeted;

    async fn handle(
        &self,
        batch: &[Delivered<'_, Greeted>],
    ) -> Result<Vec<Settlement>, RedisError> {
        // One call for the whole batch. The function recognises copies by the id of the event.
        let call = Call::new("count_greetings").key("counts".to_owned());
        let mut call = call.key("seen".to_owned());
        for Delivered { event, .. } in batch {
            call = call.text(&event.id).text(&event.name.0);
        }
        // If the store is away, `?` makes the consumer wait and hand the batch over again.
        self.0.call(Partition::at(None), &call).await?;
        // The effect is stored. Only now the consumer acknowledges the entries. `Settlement::Park`
        // would make a dead letter of an event that nobody can act on.
        Ok(vec![Settlement::Done; batch.len()])
    }
}

/// Counts until SIGTERM, then settles what it has in hand.
pub(crate) async fn count(config: Config) -> anyhow::Result<()> {
    let mut process = Process::new(cli::begin(&config.common)?);
    let files = [include_str!("lua/count_greetings.lua")];
    // The layout numbers what the store holds. A build refuses a store of another layout.
    let (redis, layout) = (config.stores.own_redis(), Layout::first("counter"));
    let store = Store::new(redis, layout, &files, Partitions::NONE);
    // The stream that the counter reads shows whether an empty store is new, or lost its data.
    process.open_store(&store, config.stores.witness::<Greeted>());
    // Takes over the entries of dead processes, counts attempts, parks, and replays after a loss.
    process.consume(&Counter(store.clone()), &store, &config.stores.consumer());
    let address = &config.stores.consumer_http_addr;
    process.serve_probes(&config.common, address).await
}
