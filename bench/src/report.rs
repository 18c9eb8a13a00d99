//! The report of a run, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::figure::{Bare, Better, Limit, NOISY_CORES, Row, disturbance};

/// The results of all rounds of a revision.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) revision: String,
    /// The server program of both stores.
    pub(crate) store: String,
    pub(crate) cores: usize,
    pub(crate) fsync: &'static str,
    /// Whether the services are release builds.
    pub(crate) release: bool,
    pub(crate) rounds: usize,
    pub(crate) figures: Vec<Row>,
}

impl Report {
    /// The table of all figures, each with its ratios to its limits.
    pub(crate) fn table(&self) -> String {
        let width = self
            .figures
            .iter()
            .map(|row| row.name.len())
            .max()
            .unwrap_or_default();
        let Self {
            revision,
            store,
            fsync,
            cores,
            rounds,
            ..
        } = self;
        let mut table = format!(
            "{revision}, {store}, appendfsync {fsync}, {cores} cores, medians of {rounds} rounds\n"
        );
        for row in &self.figures {
            let Row {
                name, median, unit, ..
            } = row;
            let mut line = format!("{name:width$}  {:>10} {unit:<12}", number(*median));
            for limit in &row.limits {
                let (of, bare) = (number(limit.median), limit.bare.name());
                let _ = write!(line, "  {:>5.2} of {bare} {of}", limit.ratio);
            }
            line.push_str(&disturbance(row.foreign_cores));
            table.push_str(line.trim_end());
            table.push('\n');
        }
        table
    }

    /// The explanation of the table, and the verdict.
    pub(crate) fn legend(&self) -> String {
        let Self { figures, .. } = self;
        let has = |bare: Bare| {
            figures
                .iter()
                .any(|row| row.limits.iter().any(|it| it.bare == bare))
        };
        let mut legend = String::from(
            "\nEach line: a figure, and its ratio to a limit. 1.00 is all that this machine allows.\n",
        );
        for bare in Bare::ALL.into_iter().filter(|bare| has(*bare)) {
            let _ = writeln!(legend, "  {}: {}.", bare.name(), bare.meaning());
        }
        legend.push_str(&self.verdict());
        legend
    }

    /// The verdict in one sentence. Without another revision to compare with, it can only say how
    /// near the figures are to their limits, and whether other processes disturbed them.
    fn verdict(&self) -> String {
        let whole = self.figures.iter().filter(|row| !row.part);
        let limits = whole.flat_map(|row| row.limits.iter().map(move |limit| (limit, row)));
        let share = |(limit, row): &(&Limit, &Row)| match row.better {
            Better::Higher => limit.ratio,
            Better::Lower => 1.0 / limit.ratio,
        };
        let lowest = limits.min_by(|a, b| share(a).total_cmp(&share(b)));
        let lowest = lowest.map_or_else(String::new, |(limit, row)| {
            format!(
                "; {} is farthest from its limit, at {:.2} of {}",
                row.name,
                limit.ratio,
                limit.bare.name()
            )
        });
        let (noisy, all) = (self.noisy(), self.figures.len());
        let quiet = if noisy == 0 {
            "all of them undisturbed"
        } else {
            "some of them disturbed"
        };
        format!(
            "Verdict: {all} figures, {quiet}{lowest}. Whether that is better or worse than before: \
             just bench --compare REV\n"
        )
    }

    fn noisy(&self) -> usize {
        self.figures
            .iter()
            .filter(|row| row.foreign_cores > NOISY_CORES)
            .count()
    }

    /// The reasons for which these figures mean little.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let noisy = self.noisy();
        let mut warnings = Vec::new();
        if noisy > 0 {
            warnings.push(format!(
                "{noisy} of {} figures were taken while other things kept more than {NOISY_CORES} \
                 cores busy: measure them again on a quiet machine",
                self.figures.len()
            ));
        }
        if self.store.ends_with("libc") {
            warnings.push(format!(
                "the stores are {}: put a redis-server with jemalloc on the PATH",
                self.store
            ));
        }
        if !self.release {
            warnings.push("this is no release build: only the way it works was tested".to_owned());
        }
        warnings
    }
}

/// A number with three significant digits, and with commas between thousands.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let whole = text.split('.').next().unwrap_or(&text).len();
    let mut marked = String::new();
    for (place, letter) in text.chars().enumerate() {
        let left = whole.saturating_sub(place);
        let after_digit = marked.ends_with(|last: char| last.is_ascii_digit());
        if place < whole && left % 3 == 0 && after_digit {
            marked.push(',');
        }
        marked.push(letter);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Sheet, rows};

    #[test]
    fn numbers_are_as_long_as_they_are_meant() {
        let cases = [
            (0.1234, "0.12"),
            (12.34, "12.3"),
            (123.4, "123"),
            (-1234.0, "-1,234"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(1_234_567.0), "1,234,567");
    }

    #[test]
    fn a_line_has_the_figure_its_ratio_and_who_else_was_busy() {
        let mut sheet = Sheet::default();
        let mut e2e = sheet.section("e2e", 0.0);
        e2e.higher("rate", "orders/s", 5_000.0);
        sheet.limit("e2e.rate", Bare::Redis, 20_000.0);
        sheet.section("idle", 1.5).lower("rss", "MiB", 30.0);
        let report = Report {
            revision: "abc".to_owned(),
            store: "Redis 7, libc".to_owned(),
            cores: 2,
            fsync: "everysec",
            release: true,
            rounds: 1,
            figures: rows(&[sheet]),
        };
        let table = report.table();
        let lines: Vec<&str> = table.lines().skip(1).collect();
        assert!(lines[0].contains("5,000 orders/s") && lines[0].contains("0.25 of bare Redis"));
        assert!(lines[1].contains("1.5 cores busy"));
        assert_eq!(report.warnings().len(), 2);
        let legend = report.legend();
        assert!(
            legend.contains("  bare Redis: ") && !legend.contains("  bare HTTP: "),
            "{legend}"
        );
        let verdict = "Verdict: 2 figures, some of them disturbed; e2e.rate is farthest from its limit, \
                       at 0.25 of bare Redis.";
        assert!(legend.contains(verdict), "{legend}");
    }
}
