use super::*;

const PAUSE: Duration = Duration::from_mins(10);
const DAY: Duration = Duration::from_hours(24);

/// A store, a process that looks at it, and the time that passes for both.
struct Story {
    start: Instant,
    passed: Duration,
    /// How far the clock of the store is ahead, in days; behind where it is below zero.
    off_days: i64,
    memory: Memory,
}

impl Story {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            passed: Duration::ZERO,
            off_days: 0,
            memory: Memory::default(),
        }
    }

    fn real(&self) -> Timestamp {
        Timestamp::EXAMPLE.later_by(self.passed)
    }

    fn clock(&self) -> Timestamp {
        let off = DAY * u32::try_from(self.off_days.unsigned_abs()).unwrap();
        if self.off_days < 0 { self.real().earlier_by(off) } else { self.real().later_by(off) }
    }

    fn pass(&mut self, time: Duration) {
        self.passed += time;
    }

    /// A look while the newest thing was recorded at this time.
    fn look(&mut self, newest: Timestamp) -> Result<Option<Timestamp>, Doubt> {
        let look = Look { at: self.start + self.passed, clock: self.clock(), newest };
        self.memory.judge(look, PAUSE)
    }

    /// The same process or another one: all that was remembered is gone.
    fn restart(&mut self) {
        self.memory = Memory::default();
    }
}

#[test]
fn two_looks_have_to_agree_and_the_earlier_one_counts() {
    let mut story = Story::new();
    let first = story.clock();
    assert_eq!(story.look(first), Ok(None), "nothing is removed at opening");
    story.pass(PAUSE / 2);
    assert_eq!(story.look(story.clock()), Ok(None), "too early");
    story.pass(PAUSE / 2);
    assert_eq!(story.look(story.clock()), Ok(Some(first)));
    let second = story.clock();
    story.pass(PAUSE);
    assert_eq!(story.look(story.clock()), Ok(Some(second)));
}

#[test]
fn a_clock_that_is_ahead_at_opening_removes_nothing_however_long_it_is() {
    for days in [31, 90, 400, 36_500] {
        let mut story = Story::new();
        let newest = story.real();
        story.off_days = days;
        for _ in 0..500 {
            assert_eq!(story.look(newest), Err(Doubt::Ahead), "{days} days");
            story.pass(PAUSE);
        }
        // Back again: a jump too, so that nothing is removed for a day.
        story.off_days = 0;
        assert_eq!(story.look(story.real()), Err(Doubt::Step));
        story.restart();
        assert_eq!(story.look(story.real()), Ok(None));
    }
}

#[test]
fn a_jump_of_the_clock_stops_everything_for_a_day_whichever_way_it_goes() {
    for days in [-400, -31, -1, 1, 13, 31, 400] {
        let mut story = Story::new();
        story.look(story.real()).unwrap();
        story.pass(PAUSE);
        story.off_days = days;
        assert_eq!(story.look(story.clock()), Err(Doubt::Step), "{days} days");
        // Orders come while the clock is wrong, so that it looks right.
        while story.passed < DISTRUST {
            story.pass(PAUSE);
            assert_eq!(story.look(story.clock()), Ok(None), "{days} days");
        }
        let before = story.clock();
        story.pass(PAUSE);
        assert_eq!(story.look(story.clock()), Ok(Some(before)), "it is believed in the end");
    }
}

#[test]
fn what_was_recorded_last_limits_what_a_clock_may_do() {
    let mut story = Story::new();
    let newest = story.real();
    story.look(newest).unwrap();
    for _ in 0..1_000 {
        story.pass(PAUSE);
        assert_eq!(story.look(newest), Ok(Some(newest)), "an idle store stays as it is");
    }
    story.pass(MAX_QUIET);
    assert_eq!(story.look(newest), Err(Doubt::Ahead), "and says so in the end");
    let (before, newer) = (story.clock(), story.clock());
    story.pass(PAUSE);
    let _ = story.look(newer);
    story.pass(PAUSE);
    assert_eq!(story.look(story.clock()), Ok(Some(before)), "until something is recorded");
}

#[test]
fn a_clock_behind_what_is_recorded_removes_less() {
    let mut story = Story::new();
    let newest = story.real();
    story.off_days = -31;
    let clock = story.clock();
    assert_eq!(story.look(newest), Ok(None));
    story.pass(PAUSE);
    assert_eq!(story.look(newest), Ok(Some(clock)));
}
