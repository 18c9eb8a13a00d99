//! Which stores a service opens: those of the layout of its build. It leaves every other store as it
//! is.

#![expect(
    clippy::missing_panics_doc,
    reason = "a helper of a test fails the test, like the test itself"
)]

use shared::base::shutdown::Shutdown;
use shared::redis::{Command, Redis};
use shared::store::Store;
use shared::store::open::{OpenError, Witness};
use shared::stream::loss::accept_loss;
use stack::credentials::User;
use stack::private_store::PrivateStore;
use stack::redis::Owner;

/// A service, and the layout of its build.
#[derive(Clone, Copy)]
pub struct Build {
    /// The service.
    pub service: Owner,
    /// The user of the service.
    pub user: User,
    /// The layout.
    pub layout: u32,
    /// Makes the store of this build.
    pub store: fn(Redis) -> Store,
}

/// The keys of layout 1 that have other names today, and what stood in them.
const LAYOUT_1: [(&str, &str); 5] = [
    ("HSET", "applied:498658 a-record 1763632806410-0"),
    ("ZADD", "applied_buckets 498658 498658"),
    ("SET", "applied:swept 498658"),
    ("HSET", "cursor order_completed 1763632806410-0"),
    ("SET", "epoch 8371445e"),
];

impl Build {
    /// An empty store becomes one of this layout, and later opens as it is.
    pub async fn opens_new_stores(&self) {
        let (private, store) = self.start().await;
        open(&private, &store).await.expect("a new store opens");
        let identity = private.get("identity").await;
        let (_, named) = identity.split_once(' ').expect("an id");
        assert_eq!(named, self.named(self.layout));
        let before = private.dump().await;
        let again = open(&private, &(self.store)(self.client(&private))).await;
        again.expect("a store of this layout opens");
        assert_eq!(private.dump().await, before);
    }

    /// A store of an older layout is refused, and no key of it changes.
    pub async fn refuses_older_stores(&self) {
        let older = self.layout - 1;
        let identities = [
            ("an-id".to_owned(), 0),
            (format!("an-id {}", self.named(older)), older),
        ];
        for (identity, found) in identities {
            let (private, store) = self.start().await;
            for (name, words) in LAYOUT_1 {
                private.operate(name, words).await;
            }
            let error = self.refused(&private, &store, &identity).await;
            let oldest = self.layout;
            assert!(
                matches!(error, OpenError::LayoutTooOld { layout, oldest: known }
                    if (layout, known) == (found, oldest)),
                "{error:?}"
            );
            let text = error.to_string();
            for part in [
                &format!(
                    "this store has layout {found}, and this build knows layouts from {oldest} on"
                ),
                "start the build that wrote it, or give each service an empty store",
            ] {
                assert!(text.contains(part), "{text}");
            }
        }
    }

    /// A store of a newer layout is refused, and no key of it changes.
    pub async fn refuses_newer_stores(&self) {
        let newer = self.layout + 1;
        let (private, store) = self.start().await;
        let identity = format!("an-id {}", self.named(newer));
        let error = self.refused(&private, &store, &identity).await;
        assert!(
            matches!(error, OpenError::NewerLayout { layout, known }
                if (layout, known) == (newer, self.layout)),
            "{error:?}"
        );
    }

    /// What the identity of a store with this layout says behind its id.
    fn named(&self, layout: u32) -> String {
        format!("{} {layout} 0", self.service.name())
    }

    async fn start(&self) -> (PrivateStore, Store) {
        let private = PrivateStore::start(self.service).await.expect("a server");
        let store = (self.store)(self.client(&private));
        (private, store)
    }

    fn client(&self, private: &PrivateStore) -> Redis {
        private.client(self.user).expect("the user of the service")
    }

    /// Why a store with this identity is refused, by every way in.
    async fn refused(&self, private: &PrivateStore, store: &Store, identity: &str) -> OpenError {
        private.set("identity", identity).await;
        let before = private.dump().await;
        let error = open(private, store).await.expect_err("another layout");
        assert!(error.is_final(), "{error:?}");
        assert!(store.verify().await.is_err());
        assert!(accept_loss(store, &witness(private)).await.is_err());
        assert_eq!(private.dump().await, before);
        let functions = private.ask(Command::new("FUNCTION").arg("LIST")).await;
        assert!(functions.list().expect("a list").is_empty());
        error
    }
}

/// Opens a store as a process of the service does. No stream of another service is there.
async fn open(private: &PrivateStore, store: &Store) -> Result<(), OpenError> {
    store.open(&witness(private), &Shutdown::new()).await
}

fn witness(private: &PrivateStore) -> Witness {
    Witness {
        redis: private.operator.clone(),
        stream: "stream-of-the-other-service",
        group: "group",
        is_own: false,
    }
}
