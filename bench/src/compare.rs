//! Two revisions side by side.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    figure::{Better, NOISY_CORES, Row},
    number::median,
    report::number,
};

/// What a figure may become worse without being called a regression.
const TOLERANCE: f64 = 0.05;

/// One figure of both.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) before: f64,
    pub(crate) now: f64,
    /// The median of the ratios of the rounds, now to before.
    pub(crate) ratio: f64,
    pub(crate) verdict: Verdict,
    /// The most that something else kept busy in any round of either.
    pub(crate) foreign_cores: f64,
}

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Better,
    Same,
    Worse,
}

/// Every figure that both have.
pub(crate) fn changes(before: &[Row], now: &[Row]) -> Vec<Change> {
    let pair = |row: &Row| Some(change(before.iter().find(|old| old.name == row.name)?, row));
    now.iter().filter_map(pair).collect()
}

fn change(before: &Row, now: &Row) -> Change {
    // Round by round, because what disturbs a machine disturbs both halves of a round.
    let pairs = before.all.iter().zip(&now.all);
    let ratios: Vec<f64> = pairs.map(|(before, now)| ratio(*now, *before)).collect();
    let ratio = median(&ratios).unwrap_or(1.0);
    let gain = match now.better {
        Better::Higher => ratio,
        Better::Lower => self::ratio(1.0, ratio),
    };
    let verdict = match gain {
        gain if gain < 1.0 - TOLERANCE => Verdict::Worse,
        gain if gain > 1.0 + TOLERANCE => Verdict::Better,
        _ => Verdict::Same,
    };
    Change {
        name: now.name.clone(),
        unit: now.unit,
        before: before.median,
        now: now.median,
        ratio,
        verdict,
        foreign_cores: before.foreign_cores.max(now.foreign_cores),
    }
}

/// Nothing to nothing is no change.
fn ratio(now: f64, before: f64) -> f64 {
    if now <= 0.0 && before <= 0.0 { 1.0 } else { now / before.max(f64::MIN_POSITIVE) }
}

/// Whether anything became worse.
pub(crate) fn has_regressed(changes: &[Change]) -> bool {
    changes.iter().any(|change| change.verdict == Verdict::Worse)
}

/// The table of all changes.
pub(crate) fn table(changes: &[Change], revision: &str) -> String {
    let width = changes.iter().map(|change| change.name.len()).max().unwrap_or_default();
    let mut table = format!("{:width$}  {revision:>12}  {:>12}   ratio\n", "", "now");
    for change in changes {
        let Change { name, before, now, ratio, unit, .. } = change;
        let (before, now) = (number(*before), number(*now));
        let mut line = format!("{name:width$}  {before:>12}  {now:>12}  {ratio:>6.2}  {unit}");
        line.push_str(match change.verdict {
            Verdict::Better => "  better",
            Verdict::Same => "",
            Verdict::Worse => "  REGRESSION",
        });
        if change.foreign_cores > NOISY_CORES {
            let _ = write!(line, "  ! {:.1} cores busy with other things", change.foreign_cores);
        }
        table.push_str(&line);
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Sheet, rows};

    fn run(values: &[(f64, f64)]) -> Vec<Row> {
        let sheet = |(rate, cpu): &(f64, f64)| {
            let mut sheet = Sheet::default();
            sheet.higher("rate".to_owned(), "/s", *rate, 0.0);
            sheet.lower("cpu".to_owned(), "us", *cpu, 0.0);
            sheet
        };
        rows(&values.iter().map(sheet).collect::<Vec<_>>())
    }

    fn verdicts(before: &[(f64, f64)], now: &[(f64, f64)]) -> Vec<Verdict> {
        changes(&run(before), &run(now)).iter().map(|change| change.verdict).collect()
    }

    #[test]
    fn more_than_five_percent_in_the_wrong_direction_is_a_regression() {
        use Verdict::{Better, Same, Worse};
        assert_eq!(verdicts(&[(100.0, 10.0)], &[(96.0, 10.4)]), [Same, Same]);
        assert_eq!(verdicts(&[(100.0, 10.0)], &[(94.0, 11.0)]), [Worse, Worse]);
        assert_eq!(verdicts(&[(100.0, 10.0)], &[(110.0, 9.0)]), [Better, Better]);
        assert_eq!(verdicts(&[(100.0, 0.0)], &[(100.0, 0.0)]), [Same, Same]);
    }

    #[test]
    fn rounds_are_compared_one_by_one() {
        let before = [(100.0, 1.0), (50.0, 1.0), (100.0, 1.0)];
        let now = [(100.0, 1.0), (50.0, 1.0), (20.0, 1.0)];
        let changes = changes(&run(&before), &run(&now));
        assert_eq!(changes[0].verdict, Verdict::Same);
        assert!(!has_regressed(&changes));
    }

    #[test]
    fn a_regression_stands_out() {
        let changes = changes(&run(&[(100.0, 1.0)]), &run(&[(10.0, 1.0)]));
        assert!(has_regressed(&changes));
        assert!(table(&changes, "v1").lines().nth(1).unwrap().contains("REGRESSION"));
    }
}
