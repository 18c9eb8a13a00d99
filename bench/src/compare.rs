//! Compares the figures of two revisions.

use std::fmt::Write as _;

use serde::Serialize;
use stack::number::median;

use crate::figure::{Better, Row, disturbance};
use crate::report::number;

/// A figure may become worse by this share before it counts as a regression.
const TOLERANCE: f64 = 0.05;

/// One figure of both revisions.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) before: f64,
    pub(crate) now: f64,
    /// The median over all rounds of the ratio of now to before; `None` if the value before was 0.
    pub(crate) ratio: Option<f64>,
    pub(crate) verdict: Verdict,
    /// The most cores that other processes kept busy in any round of either revision.
    pub(crate) foreign_cores: f64,
}

/// How a figure has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Better,
    Same,
    Worse,
}

/// The changes of every figure that both revisions have.
pub(crate) fn changes(before: &[Row], now: &[Row]) -> Vec<Change> {
    let pair = |row: &Row| Some(change(before.iter().find(|old| old.name == row.name)?, row));
    now.iter().filter_map(pair).collect()
}

fn change(before: &Row, now: &Row) -> Change {
    // Ratios are taken round by round: a disturbance of the machine affects both halves of a round.
    let pairs = before
        .all
        .iter()
        .zip(&now.all)
        .filter(|(before, _)| **before > 0.0);
    let ratios: Vec<f64> = pairs.map(|(before, now)| now / before).collect();
    let ratio = median(&ratios);
    let verdict = if now.part || (now.median - before.median).abs() <= grain(now.unit) {
        Verdict::Same
    } else {
        verdict(now.better, ratio.unwrap_or(f64::INFINITY))
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

fn verdict(better: Better, ratio: f64) -> Verdict {
    let gain = match better {
        Better::Higher => ratio,
        Better::Lower => 1.0 / ratio,
    };
    match gain {
        gain if gain < 1.0 - TOLERANCE => Verdict::Worse,
        gain if gain > 1.0 + TOLERANCE => Verdict::Better,
        _ => Verdict::Same,
    }
}

/// The smallest difference of a unit that counts: the ratio of two values near 0 means nothing.
fn grain(unit: &str) -> f64 {
    match unit {
        "% of a core" => 0.3,
        "MiB" => 1.0,
        "/order" => 0.05,
        _ => 0.0,
    }
}

/// Whether any figure became worse.
pub(crate) fn has_regressed(changes: &[Change]) -> bool {
    changes
        .iter()
        .any(|change| change.verdict == Verdict::Worse)
}

/// The table of all changes.
pub(crate) fn table(changes: &[Change], revision: &str) -> String {
    let width = changes
        .iter()
        .map(|change| change.name.len())
        .max()
        .unwrap_or_default();
    let mut table = format!("{:width$}  {revision:>12}  {:>12}   ratio\n", "", "now");
    for change in changes {
        let Change {
            name,
            before,
            now,
            ratio,
            unit,
            ..
        } = change;
        let (before, now) = (number(*before), number(*now));
        let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let mut line = format!("{name:width$}  {before:>12}  {now:>12}  {ratio:>6}  {unit}");
        line.push_str(match change.verdict {
            Verdict::Better => "  better",
            Verdict::Same => "",
            Verdict::Worse => "  REGRESSION",
        });
        line.push_str(&disturbance(change.foreign_cores));
        table.push_str(&line);
        table.push('\n');
    }
    let worse = changes
        .iter()
        .filter(|change| change.verdict == Verdict::Worse);
    let worse: Vec<&str> = worse.map(|change| change.name.as_str()).collect();
    let percent = TOLERANCE * 100.0;
    let _ = match worse[..] {
        [] => writeln!(
            table,
            "Verdict: no figure is more than {percent:.0} % worse"
        ),
        _ => writeln!(
            table,
            "Verdict: more than {percent:.0} % worse: {}",
            worse.join(", ")
        ),
    };
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Sheet, rows};

    fn run(values: &[(f64, f64)]) -> Vec<Row> {
        let sheet = |(rate, cpu): &(f64, f64)| {
            let mut sheet = Sheet::default();
            let mut section = sheet.section("x", 0.0);
            section.higher("rate", "/s", *rate);
            section.lower("cpu", "us", *cpu);
            sheet
        };
        rows(&values.iter().map(sheet).collect::<Vec<_>>())
    }

    fn verdicts(before: &[(f64, f64)], now: &[(f64, f64)]) -> Vec<Verdict> {
        changes(&run(before), &run(now))
            .iter()
            .map(|change| change.verdict)
            .collect()
    }

    #[test]
    fn more_than_five_percent_in_the_wrong_direction_is_a_regression() {
        use Verdict::{Better, Same, Worse};
        assert_eq!(verdicts(&[(100.0, 10.0)], &[(96.0, 10.4)]), [Same, Same]);
        assert_eq!(verdicts(&[(100.0, 10.0)], &[(94.0, 11.0)]), [Worse, Worse]);
        assert_eq!(
            verdicts(&[(100.0, 10.0)], &[(110.0, 9.0)]),
            [Better, Better]
        );
        assert_eq!(verdicts(&[(100.0, 0.0)], &[(100.0, 0.0)]), [Same, Same]);
        assert_eq!(verdicts(&[(100.0, 0.0)], &[(100.0, 9.0)]), [Same, Worse]);
    }

    #[test]
    fn a_part_and_what_is_nearly_nothing_are_not_judged() {
        let run = |value: f64| {
            let mut sheet = Sheet::default();
            let mut section = sheet.section("x", 0.0);
            section.part("cpu.of-one", "us", value);
            section.lower("idle", "% of a core", value / 100.0);
            rows(&[sheet])
        };
        let changes = changes(&run(1.0), &run(3.0));
        assert_eq!(changes[0].ratio, Some(3.0));
        assert!(!has_regressed(&changes));
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
        assert!(
            table(&changes, "v1")
                .lines()
                .nth(1)
                .unwrap()
                .contains("REGRESSION")
        );
    }
}
