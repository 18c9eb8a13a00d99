//! The wishes of the clients, drawn from the seed before anything runs.

use std::collections::HashSet;
use std::time::Duration;

use fastrand::Rng;

use crate::chaos::figures::{Figure, Figures};
use crate::chaos::profiles::Profile;

/// Buyers who want the same last piece.
pub(crate) const BUYERS: u32 = 50;
/// Products that never run out.
const PLENTY: usize = 8;
const PLENTY_STOCK: u64 = 1_000_000;
/// Products that run out and are restocked.
const SCARCE: usize = 8;
const SCARCE_STOCK: u64 = 3;
const MOST_PIECES: u64 = 3;
/// Orders beyond the planned number: `SPARE`, and one of `SPARE_SHARE`. Some orders are refused for
/// a good reason, such as a deleted product.
const SPARE: u32 = 20;
const SPARE_SHARE: u32 = 20;
/// Orders for a product that will be deleted are placed within this time before the deletion.
const BEFORE_DELETION_MS: u64 = 2_000;
/// The largest distance between a cancellation and the moment of payment, before or after it.
const CANCEL_SPREAD_MS: i64 = 60;
/// Clients look at an order within this time after it was placed.
const LOOKS_MS: u64 = 2_000;

/// All wishes of the clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) products: Vec<NewProduct>,
    /// The products with one piece and many buyers, as positions in `products`.
    pub(crate) last_pieces: Vec<usize>,
    /// Sorted by time.
    pub(crate) orders: Vec<Wish>,
    /// Sorted by time.
    pub(crate) upkeep: Vec<(Duration, Upkeep)>,
}

/// A product that is created before anything else happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewProduct {
    pub(crate) name: String,
    pub(crate) price: String,
    pub(crate) quantity: u64,
}

/// One order that a client wants, and what the client does with the order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) at: Duration,
    /// The position of the product in [`Wishes::products`].
    pub(crate) product: usize,
    pub(crate) quantity: u64,
    /// Whether the client sends a second copy of the request at the same time.
    pub(crate) twin: bool,
    /// The client sends the request once more, this long after its answer.
    pub(crate) repeat: Option<Duration>,
    /// The client cancels the order, this number of milliseconds before (negative) or after the
    /// moment of payment.
    pub(crate) cancel: Option<i64>,
    /// The client looks at the order at these times after it was placed.
    pub(crate) looks: Vec<Duration>,
}

/// What the owner of the shop does with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upkeep {
    Restock { product: usize, quantity: u64 },
    Count { product: usize, quantity: u64 },
    Delete { product: usize },
}

/// Draws the wishes of a profile.
pub(crate) fn wishes(profile: &Profile, rng: &mut Rng) -> Wishes {
    let mut draw = Draw {
        profile,
        rng,
        products: Vec::new(),
        last_pieces: Vec::new(),
        orders: Vec::new(),
    };
    let upkeep = draw.shop();
    draw.races();
    draw.single_orders(&upkeep);
    draw.habits();
    let mut orders = draw.orders;
    orders.sort_by_key(|wish| wish.at);
    Wishes {
        products: draw.products,
        last_pieces: draw.last_pieces,
        orders,
        upkeep,
    }
}

struct Draw<'a> {
    profile: &'a Profile,
    rng: &'a mut Rng,
    products: Vec<NewProduct>,
    last_pieces: Vec<usize>,
    orders: Vec<Wish>,
}

impl Draw<'_> {
    /// Draws the products: first those that never run out, then those that run out, then those
    /// that are deleted.
    fn shop(&mut self) -> Vec<(Duration, Upkeep)> {
        for _ in 0..PLENTY {
            self.product(PLENTY_STOCK);
        }
        for _ in 0..SCARCE {
            self.product(SCARCE_STOCK);
        }
        let mut upkeep = Vec::new();
        let times = |planned: &Figures, figure| planned.get(figure);
        for _ in 0..times(&self.profile.planned, Figure::Deletions) {
            let product = self.product(PLENTY_STOCK);
            upkeep.push((self.moment(), Upkeep::Delete { product }));
        }
        for _ in 0..times(&self.profile.planned, Figure::Restocks) {
            let (product, quantity) = (PLENTY + self.rng.usize(..SCARCE), self.rng.u64(1..=30));
            upkeep.push((self.moment(), Upkeep::Restock { product, quantity }));
        }
        for _ in 0..times(&self.profile.planned, Figure::Stocktakes) {
            let (product, quantity) = (PLENTY + self.rng.usize(..SCARCE), self.rng.u64(0..=20));
            upkeep.push((self.moment(), Upkeep::Count { product, quantity }));
        }
        upkeep.sort_by_key(|(at, _)| *at);
        upkeep
    }

    fn races(&mut self) {
        for _ in 0..self.profile.planned.get(Figure::LastUnitRaces) {
            let (product, at) = (self.product(1), self.moment());
            self.last_pieces.push(product);
            for _ in 0..BUYERS {
                self.order(at, product, 1);
            }
        }
    }

    fn single_orders(&mut self, upkeep: &[(Duration, Upkeep)]) {
        let doomed: Vec<(Duration, usize)> = upkeep
            .iter()
            .filter_map(|(at, what)| match what {
                Upkeep::Delete { product } => Some((*at, *product)),
                _ => None,
            })
            .collect();
        let planned = self.profile.planned.get(Figure::Orders);
        let races = self.profile.planned.get(Figure::LastUnitRaces) * BUYERS;
        let wanted = planned.saturating_sub(races) + SPARE + planned / SPARE_SHARE;
        for _ in 0..wanted {
            let quantity = self.rng.u64(1..=MOST_PIECES);
            match self.rng.u8(..100) {
                0..5 if !doomed.is_empty() => {
                    let (deleted, product) = doomed[self.rng.usize(..doomed.len())];
                    let earliest = deleted.saturating_sub(ms(BEFORE_DELETION_MS));
                    let at = earliest + ms(self.rng.u64(..BEFORE_DELETION_MS));
                    self.order(at, product, quantity);
                }
                5..45 => {
                    let product = PLENTY + self.rng.usize(..SCARCE);
                    self.order_some_time(product, quantity);
                }
                _ => {
                    let product = self.rng.usize(..PLENTY);
                    self.order_some_time(product, quantity);
                }
            }
        }
    }

    /// Draws which orders are repeated, cancelled and looked at. The numbers are a little larger
    /// than planned, because some orders are refused.
    fn habits(&mut self) {
        let repeats = self.some_of_the_orders(Figure::Retries);
        let cancels = self.some_of_the_orders(Figure::CancelRaces);
        let rng = &mut *self.rng;
        for (number, wish) in self.orders.iter_mut().enumerate() {
            wish.twin = rng.u8(..100) < 5;
            wish.repeat = repeats.contains(&number).then(|| ms(rng.u64(..LOOKS_MS)));
            let beside = rng.i64(-CANCEL_SPREAD_MS..=CANCEL_SPREAD_MS);
            wish.cancel = cancels.contains(&number).then_some(beside);
            wish.looks = (0..rng.u8(..3)).map(|_| ms(rng.u64(..LOOKS_MS))).collect();
            wish.looks.sort();
        }
    }

    fn some_of_the_orders(&mut self, figure: Figure) -> HashSet<usize> {
        let planned = self.profile.planned.get(figure);
        let wanted = (planned + planned / SPARE_SHARE + SPARE) as usize;
        self.rng
            .choose_multiple(0..self.orders.len(), wanted)
            .into_iter()
            .collect()
    }

    fn product(&mut self, quantity: u64) -> usize {
        let number = self.products.len();
        let cents = self.rng.u32(1..10_000);
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        self.products.push(NewProduct {
            name: format!("thing {number}"),
            price,
            quantity,
        });
        number
    }

    fn order_some_time(&mut self, product: usize, quantity: u64) {
        let at = (self.profile.warm_up + self.profile.window).mul_f64(self.rng.f64());
        self.order(at, product, quantity);
    }

    fn order(&mut self, at: Duration, product: usize, quantity: u64) {
        self.orders.push(Wish {
            at,
            product,
            quantity,
            ..Wish::default()
        });
    }

    /// A random time within the window of the faults.
    fn moment(&mut self) -> Duration {
        self.profile.warm_up + self.profile.window.mul_f64(self.rng.f64())
    }
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::profiles::Scale;

    #[test]
    fn the_same_seed_draws_the_same_wishes() {
        let profile = &Scale::Ci.profiles()[0];
        let drawn = |seed| wishes(profile, &mut Rng::with_seed(seed));
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn more_is_wanted_than_planned() {
        for profile in [Scale::Smoke, Scale::Ci, Scale::Nightly]
            .into_iter()
            .flat_map(Scale::profiles)
        {
            let wishes = wishes(&profile, &mut Rng::with_seed(3));
            let wanted = |figure| profile.planned.get(figure) as usize;
            assert!(wishes.orders.len() > wanted(Figure::Orders));
            let count = |has: fn(&Wish) -> bool| wishes.orders.iter().filter(|w| has(w)).count();
            assert!(count(|wish| wish.repeat.is_some()) >= wanted(Figure::Retries));
            assert!(count(|wish| wish.cancel.is_some()) >= wanted(Figure::CancelRaces));
        }
    }
}
