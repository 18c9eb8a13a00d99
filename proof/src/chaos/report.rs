//! The report of a run.

use std::sync::Arc;
use std::time::Duration;

use super::checker::Finding;
use super::figures::{Figure, Figures};

/// Gets each line of a report.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// The width of the longest label.
const LABEL_WIDTH: usize = 42;

/// The result of one profile.
pub(super) struct ProfileReport {
    pub(super) name: &'static str,
    pub(super) planned: Figures,
    pub(super) seen: Figures,
    pub(super) findings: Vec<Finding>,
    /// Further lines of the report, such as recovery times.
    pub(super) remarks: Vec<String>,
    pub(super) took: Duration,
}

impl ProfileReport {
    pub(super) fn holds(&self) -> bool {
        self.findings.iter().all(Finding::holds)
    }

    pub(super) fn tell(&self, say: &Say) {
        say(&format!(
            "\nprofile {}, {:.0} s",
            self.name,
            self.took.as_secs_f64()
        ));
        for remark in &self.remarks {
            say(&format!("  {remark}"));
        }
        for finding in &self.findings {
            let verdict = match finding {
                finding if finding.holds() => format!("holds for {} facts", finding.facts),
                Finding {
                    facts: 0,
                    violations: 0,
                    ..
                } => "SAW NOTHING".to_owned(),
                Finding {
                    violations, facts, ..
                } => format!("VIOLATED {violations}x in {facts}"),
            };
            let rule = finding.rule.to_string();
            say(&format!(
                "  {rule:<20} {verdict:<26} {}",
                finding.rule.text()
            ));
            for violation in &finding.told {
                say(&format!("         {violation}"));
            }
        }
    }
}

/// Reports every planned figure: the planned number and the number that was reached.
pub(super) fn figures(planned: &Figures, seen: &Figures, say: &Say) {
    say(&format!(
        "\n  {:<LABEL_WIDTH$} {:>8} {:>8}",
        "figure", "planned", "seen"
    ));
    for figure in Figure::ALL {
        let (planned, seen) = (planned.get(figure), seen.get(figure));
        if planned > 0 || seen > 0 {
            let mark = if seen < planned { "  NOT REACHED" } else { "" };
            say(&format!(
                "  {:<LABEL_WIDTH$} {planned:>8} {seen:>8}{mark}",
                figure.label()
            ));
        }
    }
    say("");
}
