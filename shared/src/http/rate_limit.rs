//! Limits the requests of one client address in a time. Answers carry the headers of the IETF draft
//! "`RateLimit` header fields for HTTP".

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::RateLimiter;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use poem::http::{HeaderMap, HeaderName, HeaderValue};

use crate::base::config::Span;
use crate::http::problem::{Problem, RATE_LIMITED};

/// Requests allowed in a time, written `100/60s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    requests: NonZeroU32,
    window: Duration,
}

/// Counts the requests of every address.
pub struct RateLimit {
    rate: Rate,
    limiter: ArcSwap<Limiter>,
    clock: DefaultClock,
}

/// The quota of an address, after one more request.
#[derive(Debug)]
pub struct Quota {
    rate: Rate,
    remaining: u32,
    /// How long the client has to wait, if this request was one too many.
    wait: Option<Duration>,
}

type Limiter =
    RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const MIN_WINDOW: Duration = Duration::from_secs(1);
const MAX_WINDOW: Duration = Duration::from_hours(1);
/// Most requests in a window: more than a process can answer in the shortest window.
const MAX_RATE: u32 = 1_000_000;
/// Most addresses whose requests are counted at once.
const MAX_ADDRESSES: usize = 65_536;
/// One customer of an IPv6 provider has addresses that differ in at least this many bits, so the
/// limit ignores these bits.
const IPV6_HOST_BITS: u32 = 64;

impl RateLimit {
    /// A limit against which no request was counted yet.
    pub fn new(rate: Rate) -> Self {
        let limiter = ArcSwap::from_pointee(rate.limiter());
        Self {
            rate,
            limiter,
            clock: DefaultClock::default(),
        }
    }

    /// Counts one request of an address.
    pub fn count(&self, address: IpAddr) -> Quota {
        let limiter = self.limiter.load();
        if limiter.len() >= MAX_ADDRESSES {
            self.forget(&limiter);
        }
        let (remaining, wait) = match limiter.check_key(&network(address)) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(refusal) => (0, Some(refusal.wait_time_from(self.clock.now()))),
        };
        Quota {
            rate: self.rate,
            remaining,
            wait,
        }
    }

    /// Forgets addresses that have their whole quota again. If half of [`MAX_ADDRESSES`] or more
    /// remain, forgets them all: each begins with a whole quota. So memory is bounded, and no
    /// client is refused for the requests of others.
    fn forget(&self, limiter: &Limiter) {
        limiter.retain_recent();
        if limiter.len() >= MAX_ADDRESSES / 2 {
            self.limiter.store(self.rate.limiter().into());
        }
    }
}

impl Quota {
    /// The refusal, if this request was one too many.
    pub fn refusal(&self) -> Option<Problem> {
        self.wait.map(|wait| {
            let Rate { requests, window } = self.rate;
            let detail = format!("the limit is {requests} requests in {} s", window.as_secs());
            Problem::new(&RATE_LIMITED, detail).retry_after(wait)
        })
    }

    /// Adds the `RateLimit` headers to an answer.
    pub fn finish(&self, headers: &mut HeaderMap) {
        let Rate { requests, window } = self.rate;
        let used = requests.get() - self.remaining.min(requests.get());
        // The time until the client has its whole quota again.
        let reset = window.mul_f64(f64::from(used) / f64::from(requests.get()));
        let reset = whole_seconds(reset);
        let policy = format!("\"default\";q={requests};w={}", window.as_secs());
        let limit = format!("\"default\";r={};t={reset}", self.remaining);
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
}

impl Rate {
    fn limiter(self) -> Limiter {
        // `with_period` fails only for a period of zero. The shortest is 1 s / 1,000,000 = 1 µs.
        let quota = governor::Quota::with_period(self.window / self.requests.get())
            .unwrap_or_else(|| governor::Quota::per_second(self.requests))
            .allow_burst(self.requests);
        RateLimiter::keyed(quota).with_middleware()
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (requests, window) = text.split_once('/')?;
            let requests: NonZeroU32 = requests.parse().ok()?;
            let Span(window) = window.parse().ok()?;
            let whole = window.subsec_nanos() == 0 && (MIN_WINDOW..=MAX_WINDOW).contains(&window);
            (whole && requests.get() <= MAX_RATE).then_some(Self { requests, window })
        };
        parse().ok_or_else(|| {
            format!("expected 1 to {MAX_RATE} requests in 1s to 1h, such as 100/60s")
        })
    }
}

/// The network of an address: an IPv4 address itself, or the first 64 bits of an IPv6 address. All
/// clients in one network count as one.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            IpAddr::V6((address.to_bits() >> IPV6_HOST_BITS << IPV6_HOST_BITS).into())
        }
    }
}

/// The time in whole seconds, rounded up, so that a client which waits for it has waited long
/// enough.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_rate_is_a_number_of_requests_in_a_time() {
        for text in ["1/1s", "100/60s", "100/60", "1000000/1h"] {
            assert!(text.parse::<Rate>().is_ok(), "{text}");
        }
        for text in [
            "",
            "100",
            "0/1s",
            "100/0",
            "-1/1s",
            "1/1500ms",
            "1/2h",
            "1000001/1s",
            "1/1s/",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn everybody_has_their_own_quota() {
        let limit = RateLimit::new("2/1h".parse().unwrap());
        for expected in [Some(1), Some(0), None] {
            let quota = limit.count(address("192.0.2.1"));
            let remaining = quota.refusal().is_none().then_some(quota.remaining);
            assert_eq!(remaining, expected);
        }
        assert!(limit.count(address("::ffff:192.0.2.1")).refusal().is_some());
        assert!(limit.count(address("192.0.2.2")).refusal().is_none());
        for host in ["2001:db8::1", "2001:db8::ffff:1"] {
            assert!(limit.count(address(host)).refusal().is_none());
        }
        assert!(limit.count(address("2001:db8::2")).refusal().is_some());
        assert!(limit.count(address("2001:db8:0:1::2")).refusal().is_none());
    }

    #[test]
    fn memory_is_bounded_however_many_addresses_ask() {
        let limit = RateLimit::new("2/1h".parse().unwrap());
        for bits in 0..200_000_u32 {
            limit.count(IpAddr::V4(bits.into()));
        }
        assert!(limit.limiter.load().len() <= MAX_ADDRESSES);
    }
}
