//! What the measured figures come to at other rates: shown with the numbers that it is made of.

use serde::Serialize;

/// The part of the ceiling of a log that is planned with: the rest is for bursts, back-ups and other machines.
const PLANNED: f64 = 0.5;
const DAY: f64 = 86_400.0;
const YEAR: f64 = 365.0 * DAY;
/// Assumed, not measured: one call in so many asks a person, who reads so many requests a day (30 s each, six hours).
const ASKED: f64 = 100.0;
const READ: f64 = 720.0;
/// What `LedgerVerifier` says that it keeps of each pass, approval and action.
const REMEMBERED: f64 = 200.0;
const RECORDS: f64 = 1e10;

/// What was measured.
#[derive(Default)]
pub(crate) struct Figures {
    /// By engine and callers.
    pub(crate) decided: Vec<(&'static str, usize, f64)>,
    pub(crate) authorized: Vec<(&'static str, f64)>,
    pub(crate) ceiling: Vec<(&'static str, f64)>,
    pub(crate) signed: f64,
    pub(crate) verified: f64,
    pub(crate) audited: f64,
    /// By engine: a decision, the same without what lies beside it, a use.
    pub(crate) bytes: Vec<(&'static str, [f64; 3])>,
    /// Revocations, bytes, seconds to read.
    pub(crate) trust: Vec<(usize, usize, f64)>,
    pub(crate) voted: f64,
}

/// Lines of text with the same columns.
#[derive(Serialize)]
pub(crate) struct Table {
    name: &'static str,
    head: Vec<&'static str>,
    lines: Vec<Vec<String>>,
}

impl Figures {
    pub(crate) fn tables(&self) -> Vec<Table> {
        vec![self.arithmetic(), self.sizing()]
    }

    fn of<T: Copy>(figures: &[(&str, T)], engine: &str) -> T {
        let found = figures.iter().find(|(name, _)| *name == engine);
        found.map(|(_, figure)| *figure).unwrap()
    }

    fn ceiling(&self, engine: &str) -> f64 {
        Self::of(&self.ceiling, engine)
    }

    fn arithmetic(&self) -> Table {
        let mut lines = Vec::new();
        let mut line = |what: &str, sum: String, result: String| lines.push(vec![what.to_owned(), sum, result]);
        let (sqlite, postgres) = (self.ceiling("SQLite"), self.ceiling("PostgreSQL"));
        let [whole, bare, of_use] = Self::of(&self.bytes, "PostgreSQL");
        for load in [10.0, 1_000.0, 100_000.0] {
            let at = format!("{}/s", thousands(load));
            let n = thousands(load);
            line(
                &format!("{at}: signing"),
                format!("{n} ÷ {}", thousands(self.signed)),
                cores(load / self.signed),
            );
            line(
                &format!("{at}: verifying the passes, all executors together"),
                format!("{n} ÷ {}", thousands(self.verified)),
                cores(load / self.verified),
            );
            for (name, ceiling) in [("SQLite", sqlite), ("PostgreSQL", postgres)] {
                line(
                    &format!("{at}: committing, {name}, logs at half of their ceiling"),
                    format!("{n} ÷ ({} × {PLANNED})", thousands(ceiling)),
                    logs(load, ceiling),
                );
            }
            line(
                &format!("{at}: disk a day, PostgreSQL, decisions and uses with all that lies beside them"),
                format!("{n} × 86,400 × ({whole:.0} + {of_use:.0}) B"),
                bytes(load * DAY * (whole + of_use)),
            );
            line(
                &format!("{at}: disk a year, the same once what lies beside them was erased"),
                format!("{n} × 86,400 × 365 × ({bare:.0} + {of_use:.0}) B"),
                bytes(load * YEAR * (bare + of_use)),
            );
            line(
                &format!("{at}: verifying a day of the ledger, one core"),
                format!("2 × {n} × 86,400 ÷ {}", thousands(self.audited)),
                hours(2.0 * load * DAY / self.audited),
            );
            line(
                &format!("{at}: people, if one call in {ASKED} asks one who reads {READ} a day"),
                format!("{n} × 86,400 ÷ {ASKED} ÷ {READ}"),
                format!("{} people", thousands((load * DAY / ASKED / READ).ceil())),
            );
        }
        let n = "10,000,000,000";
        line(
            &format!("{n} records: to write them at the ceiling, PostgreSQL"),
            format!("{n} ÷ {}", thousands(postgres)),
            hours(RECORDS / postgres),
        );
        line(
            &format!("{n} decisions on PostgreSQL, with what lies beside them"),
            format!("{n} × {whole:.0} B"),
            bytes(RECORDS * whole),
        );
        line(
            "the same once that was erased",
            format!("{n} × {bare:.0} B"),
            bytes(RECORDS * bare),
        );
        line(
            &format!("{n} records: verifying all of them, one core"),
            format!("{n} ÷ {}", thousands(self.audited)),
            hours(RECORDS / self.audited),
        );
        line(
            "the same: memory for what must not be there twice",
            format!("{n} × {REMEMBERED} B"),
            bytes(RECORDS * REMEMBERED),
        );
        if let Some((count, size, read)) = self.trust.last() {
            line(
                &format!(
                    "1,000 executors that fetch {} revocations each minute",
                    thousands(*count as f64)
                ),
                format!("1,000 × {} ÷ 60 s", bytes(*size as f64)),
                format!("{}/s", bytes(1_000.0 * *size as f64 / 60.0)),
            );
            line(
                "the same: an executor's processor",
                format!("{:.0} ms ÷ 60 s", read * 1e3),
                format!("{:.2} % of a core", read / 60.0 * 100.0),
            );
        }
        line(
            "one person's votes, were they to read nothing",
            format!("{} ÷ ({READ} ÷ 86,400)", thousands(self.voted)),
            format!("{} times what a person does", thousands(self.voted / (READ / DAY))),
        );
        Table {
            name: "arithmetic",
            head: vec!["what", "arithmetic", "comes to"],
            lines,
        }
    }

    fn sizing(&self) -> Table {
        let [whole, bare, of_use] = Self::of(&self.bytes, "PostgreSQL");
        let line = |load: f64| {
            vec![
                thousands(load),
                cores(load / self.signed),
                cores(load / self.verified),
                logs(load, self.ceiling("SQLite")),
                logs(load, self.ceiling("PostgreSQL")),
                bytes(load * DAY * (whole + of_use)),
                bytes(load * YEAR * (bare + of_use)),
                hours(2.0 * load * DAY / self.audited),
                thousands((load * DAY / ASKED / READ).ceil()),
            ]
        };
        Table {
            name: "sizing",
            head: vec![
                "decisions a second",
                "signing",
                "verifying passes",
                "logs on SQLite",
                "logs on PostgreSQL",
                "disk a day, all of it",
                "disk a year, erased",
                "a core verifies a day in",
                "approvers at 1 %",
            ],
            lines: [10.0, 100.0, 1_000.0, 10_000.0, 100_000.0].map(line).into(),
        }
    }
}

fn cores(count: f64) -> String {
    match count {
        count if count < 0.01 => "< 0.01 cores".to_owned(),
        count if count < 10.0 => format!("{count:.2} cores"),
        count => format!("{} cores", thousands(count)),
    }
}

fn logs(load: f64, ceiling: f64) -> String {
    thousands((load / (ceiling * PLANNED)).ceil())
}

fn hours(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 2.0 * 3600.0 => format!("{:.0} min", s / 60.0),
        s if s < 2.0 * DAY => format!("{:.0} h", s / 3600.0),
        s => format!("{} days", thousands(s / DAY)),
    }
}

/// A number for people.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size for people.
pub(crate) fn bytes(count: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut unit = 0;
    let mut count = count;
    while count >= 1000.0 && unit < units.len() - 1 {
        count /= 1000.0;
        unit += 1;
    }
    match count {
        count if count < 10.0 && unit > 0 => format!("{count:.1} {}", units[unit]),
        count => format!("{count:.0} {}", units[unit]),
    }
}
