//! Many repairs, a step at a time.

/// The repairs of one step that are not known to be done.
#[derive(Debug)]
pub(super) struct Step<T> {
    /// Repairs that were made, and have to be looked at again.
    pub(super) left: Vec<T>,
    /// Repairs that were refused. No wait can change that.
    pub(super) refused: Vec<T>,
}

/// Makes `repairs` in steps of `at_once`. Answers the repairs that are left.
///
/// `repair` makes the repairs of one step. `wait_for_repairs` waits until at most a number of
/// repairs is left, keeps those, and answers whether that came in time.
///
/// A step whose repairs were made, and of which none showed, is the last one. After the first step
/// that was not repaired in time, each step waits only until one of its repairs shows. At the end,
/// one more wait covers all repairs that are left. So repairs that never show cost two such waits
/// in all. No wait covers a repair that was refused.
pub(super) async fn in_steps<T: Clone>(
    repairs: &[T],
    at_once: usize,
    repair: impl AsyncFn(&[T]) -> anyhow::Result<Step<T>>,
    wait_for_repairs: impl AsyncFn(&mut Vec<T>, usize) -> anyhow::Result<bool>,
) -> anyhow::Result<Vec<T>> {
    let (mut remains, mut all_refused) = (Vec::new(), Vec::new());
    let mut steps = repairs.chunks(at_once);
    let (mut in_time, mut is_stuck) = (true, false);
    while !is_stuck && let Some(step) = steps.next() {
        let Step { mut left, refused } = repair(step).await?;
        let made = step.len() - refused.len();
        let most_left = if in_time { 0 } else { made.saturating_sub(1) };
        in_time &= wait_for_repairs(&mut left, most_left).await?;
        is_stuck = made > 0 && left.len() == made;
        remains.extend(left);
        all_refused.extend(refused);
    }
    if !in_time && !is_stuck && repairs.len() > at_once {
        wait_for_repairs(&mut remains, 0).await?;
    }
    remains.extend(all_refused);
    remains.extend(steps.flatten().cloned());
    Ok(remains)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn made(step: &[usize]) -> Step<usize> {
        Step {
            left: step.to_vec(),
            refused: Vec::new(),
        }
    }

    /// Repairs of which those show at the first look that `shows` names, and the others never.
    /// Answers what is left, and how many waits ended without all that they waited for.
    async fn run(count: usize, shows: impl Fn(usize) -> bool) -> (Vec<usize>, usize) {
        let waits = RefCell::new(0);
        let all: Vec<usize> = (0..count).collect();
        let repair = async |step: &[usize]| Ok(made(step));
        let wait_for_repairs = async |left: &mut Vec<usize>, most_left: usize| {
            left.retain(|&number| !shows(number));
            let in_time = left.len() <= most_left;
            *waits.borrow_mut() += usize::from(!in_time);
            Ok(in_time)
        };
        let left = in_steps(&all, 10, repair, wait_for_repairs).await.unwrap();
        (left, waits.into_inner())
    }

    #[tokio::test]
    async fn repairs_that_never_show_cost_two_waits_however_many_there_are() {
        for stubborn in [7, 2] {
            let (left, waits) = run(1_000, |number| number % stubborn != 0).await;
            assert!(left.iter().all(|number| number % stubborn == 0));
            assert_eq!(
                (left.len(), waits),
                (1_000_usize.div_ceil(stubborn), 2),
                "{stubborn}"
            );
        }
        assert_eq!(run(1_000, |_| true).await, (Vec::new(), 0));
        assert_eq!(
            run(10, |number| number > 0).await,
            (vec![0], 1),
            "one step is waited for once"
        );
    }

    #[tokio::test]
    async fn a_step_of_which_nothing_is_repaired_is_the_last_one() {
        assert_eq!(run(30, |_| false).await, ((0..30).collect(), 1));
        let (left, waits) = run(50, |number| number < 20).await;
        assert_eq!((left, waits), ((20..50).collect(), 1));
    }

    #[tokio::test]
    async fn a_refused_repair_is_left_and_ends_neither_its_step_nor_those_after_it() {
        let repair = async |step: &[usize]| {
            let (refused, left) = step.iter().partition(|&&number| number < 15);
            Ok(Step { left, refused })
        };
        let shows_at_once = async |left: &mut Vec<usize>, _| {
            left.clear();
            Ok(true)
        };
        let all: Vec<usize> = (0..30).collect();
        let left = in_steps(&all, 10, repair, shows_at_once).await.unwrap();
        assert_eq!(left, (0..15).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn the_last_wait_covers_no_refused_repair() {
        let repair = async |step: &[usize]| {
            let (refused, left) = step.iter().partition(|&&number| number < 5);
            Ok(Step { left, refused })
        };
        let waited_for = RefCell::new(Vec::new());
        let shows_late = async |left: &mut Vec<usize>, most_left| {
            waited_for.borrow_mut().extend(left.clone());
            left.truncate(1);
            Ok(left.len() <= most_left)
        };
        let all: Vec<usize> = (0..20).collect();
        let left = in_steps(&all, 10, repair, shows_late).await.unwrap();
        assert_eq!(left, [5, 0, 1, 2, 3, 4]);
        assert!(waited_for.into_inner().iter().all(|&number| number >= 5));
    }

    /// It may show while the others are repaired.
    #[tokio::test]
    async fn what_did_not_show_in_time_is_looked_at_once_more() {
        let looks = RefCell::new(0);
        let wait_for_repairs = async |left: &mut Vec<usize>, most_left: usize| {
            *looks.borrow_mut() += 1;
            let late = *looks.borrow() > 2;
            left.retain(|&number| number == 3 && !late);
            Ok(left.len() <= most_left)
        };
        let all: Vec<usize> = (0..20).collect();
        let repair = async |step: &[usize]| Ok(made(step));
        assert_eq!(
            in_steps(&all, 10, repair, wait_for_repairs).await.unwrap(),
            Vec::<usize>::new()
        );
        assert_eq!(looks.into_inner(), 3);
    }
}
