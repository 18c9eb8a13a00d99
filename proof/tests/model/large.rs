//! Larger systems that are explored completely. That takes minutes.

use crate::exhaustive::Small;
use crate::rules::Profile;
use crate::small::{crash, forgetful, shop, sold_out};

/// All larger systems.
pub(crate) fn large_systems() -> Vec<Small> {
    let all = |mut small: Small| {
        small.extras.push(crash(small.size.order_consumers));
        small
    };
    vec![
        forgetful(sold_out(shop(
            "both stores forget a refund",
            Profile::Lossy,
            1,
            1,
        ))),
        forgetful(sold_out(shop(
            "both stores fail over with a refund",
            Profile::Gated,
            1,
            1,
        ))),
        all(forgetful(shop(
            "everything at once to two orders",
            Profile::Lossy,
            2,
            2,
        ))),
        all(forgetful(shop(
            "everything at once with a gate",
            Profile::Gated,
            2,
            2,
        ))),
    ]
}
