//! Figures: measured values, each with the limits to which it is compared.

use serde::Serialize;
use stack::number::median;

/// A figure means little if other processes kept at least this number of cores busy.
pub(crate) const NOISY_CORES: f64 = 0.25;

/// The remark at the end of a line of a figure that other processes disturbed.
pub(crate) fn disturbance(foreign_cores: f64) -> String {
    let told = format!("  ! {foreign_cores:.1} cores busy with other things");
    Some(told)
        .filter(|_| foreign_cores > NOISY_CORES)
        .unwrap_or_default()
}

/// The direction in which a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// One figure of one round.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) value: f64,
    /// Whether the figure is a part of another one: it is shown, and never judged by itself.
    pub(crate) part: bool,
    /// The limits that the machine sets.
    pub(crate) limits: Vec<(Bare, f64)>,
    /// The cores that other processes kept busy during the measurement.
    pub(crate) foreign: f64,
}

/// The kind of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bare {
    /// A bare HTTP server that always gives the same answer.
    Http,
    /// A bare client that calls the same functions of the stores.
    Redis,
    /// The same system with one store for each service and one process of each role.
    One,
}

/// The figures of one round, in the order they were measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    /// The server program of both stores, and its memory allocator.
    pub(crate) store: String,
    figures: Vec<Figure>,
}

/// The figures of one measurement. Their names begin with the name of the section.
pub(crate) struct Section<'a> {
    sheet: &'a mut Sheet,
    name: String,
    foreign: f64,
}

/// One figure over all rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// Whether the figure is a part of another one, and says little alone.
    pub(crate) part: bool,
    pub(crate) median: f64,
    pub(crate) all: Vec<f64>,
    /// The limits that the machine sets, if they were measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) limits: Vec<Limit>,
    /// The most cores that other processes kept busy in any round.
    pub(crate) foreign_cores: f64,
}

/// One limit of a figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Limit {
    pub(crate) bare: Bare,
    pub(crate) median: f64,
    /// The median of the ratios of the figure to the limit of the same round.
    pub(crate) ratio: f64,
}

impl Bare {
    pub(crate) const ALL: [Self; 3] = [Self::Http, Self::Redis, Self::One];

    /// The name of the limit in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "bare HTTP",
            Self::Redis => "bare Redis",
            Self::One => "one of each",
        }
    }

    /// The meaning of the limit in a few words.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Http => "an HTTP server that always gives the same answer and does nothing else",
            Self::Redis => {
                "a client that calls the same functions of the stores and does nothing else"
            }
            Self::One => {
                "the same system with one store for each service and one process of each role"
            }
        }
    }
}

impl Section<'_> {
    /// Adds a figure that is better if it is higher.
    pub(crate) fn higher(&mut self, name: &str, unit: &'static str, value: f64) {
        self.add(name, unit, Better::Higher, value, false);
    }

    /// Adds a figure that is better if it is lower.
    pub(crate) fn lower(&mut self, name: &str, unit: &'static str, value: f64) {
        self.add(name, unit, Better::Lower, value, false);
    }

    /// Adds a part of a figure, such as the share of one process. It is better if it is lower.
    pub(crate) fn part(&mut self, name: &str, unit: &'static str, value: f64) {
        self.add(name, unit, Better::Lower, value, true);
    }

    fn add(&mut self, name: &str, unit: &'static str, better: Better, value: f64, part: bool) {
        self.sheet.figures.push(Figure {
            name: format!("{}.{name}", self.name),
            unit,
            better,
            value,
            part,
            limits: Vec::new(),
            foreign: self.foreign,
        });
    }
}

impl Sheet {
    /// Begins the figures of a measurement. Meanwhile other processes kept `foreign` cores busy.
    pub(crate) fn section(&mut self, name: &str, foreign: f64) -> Section<'_> {
        Section {
            sheet: self,
            name: name.to_owned(),
            foreign,
        }
    }

    /// Adds a limit to a figure that was measured before. Without the figure the limit is dropped.
    pub(crate) fn limit(&mut self, name: &str, bare: Bare, limit: f64) {
        if let Some(figure) = self.figures.iter_mut().find(|figure| figure.name == name) {
            figure.limits.push((bare, limit));
        }
    }

    /// Whether this figure was measured.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value of the figure with this name.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.figures
            .iter()
            .find(|figure| figure.name == name)
            .map(|figure| figure.value)
    }

    /// All figures.
    pub(crate) fn figures(&self) -> &[Figure] {
        &self.figures
    }
}

/// The medians of the rounds, in the order of the first one.
pub(crate) fn rows(sheets: &[Sheet]) -> Vec<Row> {
    let first = sheets.first().map(Sheet::figures).unwrap_or_default();
    first
        .iter()
        .filter_map(|figure| row(figure, sheets))
        .collect()
}

fn row(first: &Figure, sheets: &[Sheet]) -> Option<Row> {
    let same = sheets
        .iter()
        .flat_map(Sheet::figures)
        .filter(|other| other.name == first.name);
    let same: Vec<&Figure> = same.collect();
    let all: Vec<f64> = same.iter().map(|figure| figure.value).collect();
    Some(Row {
        name: first.name.clone(),
        unit: first.unit,
        better: first.better,
        part: first.part,
        median: median(&all)?,
        all,
        limits: Bare::ALL
            .into_iter()
            .filter_map(|bare| limit(bare, &same))
            .collect(),
        foreign_cores: same.iter().map(|figure| figure.foreign).fold(0.0, f64::max),
    })
}

fn limit(bare: Bare, rounds: &[&Figure]) -> Option<Limit> {
    let of = |figure: &&Figure| {
        let found = figure.limits.iter().find(|(found, _)| *found == bare);
        found.map(|(_, limit)| (*limit, figure.value / limit.max(f64::MIN_POSITIVE)))
    };
    let (limits, ratios): (Vec<f64>, Vec<f64>) = rounds.iter().filter_map(of).unzip();
    Some(Limit {
        bare,
        median: median(&limits)?,
        ratio: median(&ratios)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(value: f64, limit: f64) -> Sheet {
        let mut sheet = Sheet::default();
        sheet.section("x", value / 100.0).higher("a", "/s", value);
        sheet.section("x", 0.0).lower("b", "us", 1.0);
        sheet.limit("x.a", Bare::Redis, limit);
        sheet.limit("nobody measured this", Bare::Http, limit);
        sheet
    }

    #[test]
    fn a_ratio_is_taken_within_a_round_and_the_median_over_the_rounds() {
        let rows = rows(&[sheet(10.0, 20.0), sheet(30.0, 30.0), sheet(20.0, 80.0)]);
        let a = &rows[0];
        assert_eq!(
            a.limits,
            [Limit {
                bare: Bare::Redis,
                median: 30.0,
                ratio: 0.5
            }]
        );
        assert!((a.median - 20.0).abs() < 1e-9);
        assert_eq!(a.all, [10.0, 30.0, 20.0]);
        assert!((a.foreign_cores - 0.3).abs() < 1e-9);
        assert_eq!(rows[1].limits, []);
        assert_eq!(rows.len(), 2);
    }
}
