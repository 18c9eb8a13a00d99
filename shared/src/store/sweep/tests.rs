use super::*;

const PAUSE: Duration = Duration::from_mins(10);
const DAY: Duration = Duration::from_hours(24);

/// A store, a process that looks at the store, and the time that passes.
struct Story {
    start: Instant,
    passed: Duration,
    /// How many days the clock of the store is ahead; behind if the number is negative.
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
        if self.off_days < 0 {
            self.real().earlier_by(off)
        } else {
            self.real().later_by(off)
        }
    }

    fn pass(&mut self, time: Duration) {
        self.passed += time;
    }

    /// Looks until the clock is trusted, while the store makes records. No look removes anything.
    fn wait_for_trust(&mut self) {
        let until = self.passed + DISTRUST;
        while self.passed + PAUSE < until {
            self.pass(PAUSE);
            assert_eq!(self.look(self.clock()), Ok(None), "{:?}", self.passed);
        }
    }

    /// A look at a store whose newest record has this time.
    fn look(&mut self, newest: Timestamp) -> Result<Option<Timestamp>, Doubt> {
        let look = ClockReading {
            at: self.start + self.passed,
            clock: self.clock(),
            newest,
        };
        self.memory.judge(look, PAUSE)
    }

    /// The process starts again, and its memory is empty.
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
        // The clock is set right. That is a jump too, so nothing is removed for a day.
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
        // Orders come while the clock is wrong. Their records make the clock look right.
        while story.passed < DISTRUST {
            story.pass(PAUSE);
            assert_eq!(story.look(story.clock()), Ok(None), "{days} days");
        }
        let before = story.clock();
        story.pass(PAUSE);
        assert_eq!(
            story.look(story.clock()),
            Ok(Some(before)),
            "it is believed in the end"
        );
    }
}

#[test]
fn what_was_recorded_last_limits_what_a_clock_may_do() {
    let mut story = Story::new();
    let newest = story.real();
    story.look(newest).unwrap();
    while story.passed + PAUSE <= MAX_QUIET {
        story.pass(PAUSE);
        let expected = (story.passed <= MAX_GAP).then_some(newest);
        assert_eq!(
            story.look(newest),
            Ok(expected),
            "an idle store stays as it is"
        );
    }
    for _ in 0..500 {
        story.pass(PAUSE);
        assert_eq!(
            story.look(newest),
            Err(Doubt::Ahead),
            "and says so in the end"
        );
    }
    story.wait_for_trust();
    let before = story.clock();
    story.pass(PAUSE);
    assert_eq!(
        story.look(story.clock()),
        Ok(Some(before)),
        "until something was recorded for a day"
    );
}

/// The machine starts with a wrong clock, and the newest record follows that clock. So the clock
/// looks right.
#[test]
fn records_that_follow_a_clock_which_was_ahead_at_opening_do_not_make_it_right() {
    for days in [2, 13, 31, 400] {
        let mut story = Story::new();
        let newest = story.real();
        story.off_days = days;
        let first = story.look(newest);
        assert_eq!(
            first,
            if days > 14 {
                Err(Doubt::Ahead)
            } else {
                Ok(None)
            }
        );
        // The store accepts an order, and records it at the time of the wrong clock.
        story.wait_for_trust();
        // A person sets the clock right. That is a jump too.
        story.off_days = 0;
        let ahead = story.real().later_by(DAY * u32::try_from(days).unwrap());
        assert_eq!(story.look(ahead), Err(Doubt::Step));
        let before = story.clock();
        story.wait_for_trust();
        story.pass(PAUSE);
        assert!(
            story.look(ahead).unwrap().unwrap() > before,
            "counted by the clock that is right"
        );
        assert!(story.look(ahead).unwrap().is_none(), "too early");
    }
}

/// After a restart the process knows only the records in the store, and they have the gap.
#[test]
fn records_after_a_long_gap_are_believed_once_they_span_a_day() {
    let old = Timestamp::EXAMPLE;
    for days in [16, 31, 400] {
        let ahead = old.later_by(DAY * days);
        assert_eq!(believed(ahead, old), old);
        let mut story = Story::new();
        story.off_days = i64::from(days);
        for _ in 0..3 {
            story.restart();
            assert_eq!(story.look(believed(story.clock(), old)), Err(Doubt::Ahead));
            story.pass(PAUSE);
            assert_eq!(story.look(believed(story.clock(), old)), Err(Doubt::Ahead));
        }
        let next = ahead.later_by(MIN_SPAN);
        assert_eq!(
            believed(next, ahead),
            next,
            "the shop was closed for so long"
        );
    }
    assert_eq!(
        believed(old.later_by(MAX_QUIET), old),
        old.later_by(MAX_QUIET),
        "holidays"
    );
}

#[test]
fn looks_are_renewed_while_the_clock_is_ahead_so_that_no_late_one_is_a_jump() {
    let mut story = Story::new();
    let newest = story.real();
    story.off_days = 31;
    for _ in 0..10 {
        assert_eq!(story.look(newest), Err(Doubt::Ahead));
        assert_eq!(
            story.memory.before.map(|look| look.clock),
            Some(story.clock())
        );
        story.pass(PAUSE);
    }
}

#[test]
fn a_clock_is_steady_that_goes_on_as_time_passes() {
    let (watch, partition) = (
        ClockWatch::default(),
        crate::store::partition::Partitions::NONE
            .all()
            .next()
            .unwrap(),
    );
    let now = Timestamp::EXAMPLE;
    assert!(!watch.is_steady(partition, now), "nothing to compare with");
    assert!(watch.is_steady(partition, now));
    assert!(
        !watch.is_steady(partition, now.earlier_by(DAY * 31)),
        "set back"
    );
    assert!(watch.is_steady(partition, now.earlier_by(DAY * 31)));
    assert!(!watch.is_steady(partition, now), "set right");
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

/// Records come every 25 hours. Each look of the last hour before a record renews the distrust. A
/// look that comes a day later, while the record is not yet a day old, removes again.
#[test]
fn rare_records_are_swept_only_at_the_looks_a_day_after_one() {
    let (mut story, looks) = (Story::new(), 150);
    let mut swept = Vec::new();
    for _ in 0..3 {
        let newest = story.clock();
        let mut found = Vec::new();
        for look in 0..looks {
            if story.look(newest).unwrap().is_some() {
                found.push(look);
            }
            story.pass(PAUSE);
        }
        swept.push(found);
    }
    let before_any_distrust: Vec<i32> = (1..=144).collect();
    assert_eq!(swept, [before_any_distrust, vec![143, 144], vec![143, 144]]);
}
