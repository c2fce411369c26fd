//! `cargo xtask bench`: the budgets of `docs/benchmarks.md`, measured in one run, as a table or as JSON.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Deserialize as _;
use serde_json::Value;

use crate::process::{self, Result, capture, cargo, root};
use crate::{bindings, tools};

/// How to run it.
#[derive(Clone, Copy, Debug, Default)]
struct Options<'a> {
    /// Only this part: `verify`, `authorize`, `admission`, `decisions`, `consume`, `threads`, `command-line`, or `scale` and
    /// `node`, which are measured only where they are named.
    only: Option<&'a str>,
    /// One JSON object instead of the table.
    json: bool,
    /// Only to see that everything runs: the figures say nothing and no budget is judged.
    quick: bool,
    /// Put the tables into the document that they are of.
    write: bool,
}

impl<'a> Options<'a> {
    fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match *argument {
                "--json" => options.json = true,
                "--quick" => options.quick = true,
                "--write" => options.write = true,
                option if option.starts_with('-') => {
                    return Err(format!("`bench` has no option `{option}`").into());
                }
                part if options.only.is_none() => options.only = Some(part),
                part => return Err(format!("`bench` measures one part or all, not `{part}` as well").into()),
            }
        }
        if options.write && (options.only != Some("scale") || options.quick) {
            return Err("`--write` is for the tables of `bench scale`, measured in full".into());
        }
        Ok(options)
    }
}

/// Measures and prints. A budget that isn't met is a failure, unless it was only a quick run.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let options = Options::parse(arguments)?;
    let report = match options.only {
        Some("node") => serde_json::from_str(bindings::bench_node(options.quick)?.trim())?,
        _ => measure(options)?,
    };
    if options.write {
        let path = root()?.join(SCALING);
        let text = std::fs::read_to_string(&path)?;
        std::fs::write(&path, with_tables(&text, &report, options)?)?;
    }
    print(&report, options)
}

/// The document whose tables `bench scale` measures.
const SCALING: &str = "docs/scaling.md";

/// A table of a report: its name, and its lines, the first of which is its head.
type Table = (String, Vec<Vec<String>>);

/// What was measured as one table, and what was made of it.
fn tables(report: &Value, options: Options<'_>) -> Result<Vec<Table>> {
    #[derive(serde::Deserialize)]
    struct Derived {
        name: String,
        head: Vec<String>,
        lines: Vec<Vec<String>>,
    }
    let rows = report.get("rows").and_then(Value::as_array).ok_or(NO_ROWS)?;
    let mut measured = vec![["what", "figure", "ratio", "wanted", "met"].map(str::to_owned).to_vec()];
    for row in rows {
        let [what, mut figure, ratio, budget, met] = cells(row, options);
        if let Some(beside) = row
            .get("beside")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
        {
            figure = format!("{figure}; {beside}");
        }
        measured.push([what, figure, ratio, budget, met].to_vec());
    }
    let mut tables = vec![("measured".to_owned(), measured)];
    if let Some(derived) = report.get("tables") {
        for table in Vec::<Derived>::deserialize(derived)? {
            tables.push((table.name, std::iter::once(table.head).chain(table.lines).collect()));
        }
    }
    Ok(tables)
}

/// A document with each table of a report between its marks.
fn with_tables(text: &str, report: &Value, options: Options<'_>) -> Result<String> {
    let mut text = text.to_owned();
    for (name, lines) in tables(report, options)? {
        let (begin, end) = (format!("<!-- bench scale: {name} -->\n"), "<!-- end -->");
        let missing = || format!("{SCALING} has no `{}`", begin.trim_end());
        let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
        let (_, after) = rest.split_once(end).ok_or_else(missing)?;
        text = format!("{before}{begin}{}{end}{after}", markdown(&lines));
    }
    Ok(text)
}

fn markdown(lines: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        // Writing to a string can't fail.
        let _ = writeln!(text, "| {} |", line.join(" | "));
        if at == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(line.len()));
        }
    }
    text
}

const NO_ROWS: &str = "the benchmark reported no rows";

fn print(report: &Value, options: Options<'_>) -> Result {
    let rows = report.get("rows").and_then(Value::as_array).ok_or(NO_ROWS)?;
    if options.json {
        println!("{report}");
    } else {
        print!("{}", table(rows, options));
        for (name, lines) in tables(report, options)?.iter().skip(1) {
            print!("\n{name}\n{}", markdown(lines));
        }
    }
    let missed = rows.iter().filter(|row| !is_met(row)).count();
    if missed > 0 && !options.quick {
        return Err(format!("{missed} of {} budgets are not met", rows.len()).into());
    }
    Ok(())
}

/// Measures the service beside a bare handler and Cerbos, or the MCP proxy beside a raw relay, and prints. A budget that isn't met
/// is a failure, unless it was only a quick run.
pub(crate) fn load(arguments: &[&str]) -> Result {
    let options = Options::parse(arguments)?;
    let bench = match options.only {
        None => "service",
        Some("mcp") => "mcp",
        Some(part) => return Err(format!("`load` measures the service, or `mcp`, not `{part}`").into()),
    };
    let mut command = cargo(["bench", "--package", "actionpass-tests", "--bench", bench, "--"])?;
    command.env("ACTIONPASS_BIN", release()?);
    if options.write {
        return Err("`load` writes no document".into());
    }
    if options.only.is_none() {
        let (variable, packages) = tools::of_load()?;
        command.env(variable, packages);
    }
    if options.quick {
        command.arg("--quick");
    }
    let output = capture(&mut command)?;
    print(&serde_json::from_str(output.trim())?, options)
}

/// Builds the command line for release, and runs the benchmark with it.
fn measure(options: Options<'_>) -> Result<Value> {
    let mut command = cargo(["bench", "--package", "actionpass-tests", "--bench", "budgets", "--"])?;
    if options.only == Some("scale") {
        tools::of_scale()?;
    } else {
        command.env("ACTIONPASS_BIN", release()?);
    }
    if options.quick {
        command.arg("--quick");
    }
    if let Some(part) = options.only {
        command.args(["--only", part]);
    }
    let output = capture(&mut command)?;
    Ok(serde_json::from_str(output.trim())?)
}

/// The command line, built for release.
fn release() -> Result<PathBuf> {
    process::run(&mut cargo(["build", "--release", "--package", "actionpass-cli"])?)?;
    // Where cargo says that it builds, for whoever has set that.
    let metadata = capture(&mut cargo(["metadata", "--format-version", "1", "--no-deps"])?)?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let target = metadata
        .get("target_directory")
        .and_then(Value::as_str)
        .ok_or("cargo names no target folder")?;
    Ok(root()?
        .join(target)
        .join("release")
        .join(format!("actionpass{}", std::env::consts::EXE_SUFFIX)))
}

fn is_met(row: &Value) -> bool {
    row.get("met").and_then(Value::as_bool).unwrap_or(false)
}

/// The rows in aligned columns, each with what else was seen below it.
fn table(rows: &[Value], options: Options<'_>) -> String {
    let header = ["what", "figure", "ratio", "budget", "met"].map(str::to_owned);
    let lines: Vec<[String; 5]> = std::iter::once(header)
        .chain(rows.iter().map(|row| cells(row, options)))
        .collect();
    let mut widths = [0_usize; 5];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for (line, row) in lines.iter().zip(std::iter::once(None).chain(rows.iter().map(Some))) {
        let padded = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
        let beside = row
            .and_then(|row| row.get("beside"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !beside.is_empty() {
            let _ = writeln!(text, "    {beside}");
        }
    }
    text
}

fn cells(row: &Value, options: Options<'_>) -> [String; 5] {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| row.get(name).and_then(Value::as_f64);
    let is_quiet = row.get("quiet").and_then(Value::as_bool).unwrap_or(false);
    let met = match (is_met(row), is_quiet, number("control")) {
        _ if text("budget").is_empty() => String::new(),
        _ if options.quick => "not judged".to_owned(),
        (true, ..) => "yes".to_owned(),
        (false, false, Some(control)) => format!("no: not quiet, control {control:.2}"),
        _ => "no".to_owned(),
    };
    let ratio = number("ratio").map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
    [text("what"), text("figure"), ratio, text("budget"), met]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_is_aligned_and_says_why_not() {
        let rows = [
            json!({ "what": "a", "figure": "1 µs : 2 µs", "ratio": 0.5, "budget": "≤ 1.00 ×", "met": true, "control": 2.0, "quiet": true, "beside": "" }),
            json!({ "what": "longer", "figure": "1", "ratio": 3.0, "budget": "≤ 2.00 ×", "met": false, "control": 2.01, "quiet": true, "beside": "more" }),
            json!({ "what": "b", "figure": "1", "ratio": 1.0, "budget": "≤ 2.00 ×", "met": false, "control": 2.5, "quiet": false, "beside": "" }),
            json!({ "what": "c", "figure": "not run", "ratio": null, "budget": "≤ 2.00 ×", "met": false, "control": null, "quiet": false, "beside": "" }),
        ];
        let expected = "\
what    figure       ratio  budget    met
a       1 µs : 2 µs  0.50   ≤ 1.00 ×  yes
longer  1            3.00   ≤ 2.00 ×  no
    more
b       1            1.00   ≤ 2.00 ×  no: not quiet, control 2.50
c       not run      –      ≤ 2.00 ×  no
";
        assert_eq!(table(&rows, Options::default()), expected);

        let quick = Options {
            quick: true,
            ..Options::default()
        };
        assert!(
            table(&rows, quick)
                .lines()
                .nth(1)
                .is_some_and(|line| line.ends_with("not judged"))
        );
    }

    #[test]
    fn tables_stand_between_their_marks() {
        let report = json!({
            "rows": [{ "what": "a", "figure": "5/s", "ratio": 0.5, "budget": "", "met": true, "control": null, "quiet": true, "beside": "b" }],
            "tables": [{ "name": "sums", "head": ["one", "two"], "lines": [["1", "2"]] }],
        });
        let text = "before\n<!-- bench scale: measured -->\nold\n<!-- end -->\nbetween\n<!-- bench scale: sums -->\n<!-- end -->\nafter\n";
        let expected = "\
before
<!-- bench scale: measured -->
| what | figure | ratio | wanted | met |
|---|---|---|---|---|
| a | 5/s; b | 0.50 |  |  |
<!-- end -->
between
<!-- bench scale: sums -->
| one | two |
|---|---|
| 1 | 2 |
<!-- end -->
after
";
        let written = with_tables(text, &report, Options::default()).unwrap();
        assert_eq!(written, expected);
        assert_eq!(with_tables(&written, &report, Options::default()).unwrap(), expected);
        assert!(with_tables("no marks", &report, Options::default()).is_err());
    }

    #[test]
    fn the_document_on_scaling_has_the_marks() {
        let text = std::fs::read_to_string(root().unwrap().join(SCALING)).unwrap();
        for name in ["measured", "arithmetic", "sizing"] {
            assert!(text.contains(&format!("<!-- bench scale: {name} -->\n")), "{name}");
        }
    }

    #[test]
    fn only_known_options_are_taken() {
        assert!(Options::parse(&["--json", "--quick"]).is_ok_and(|options| options.json && options.quick));
        assert!(Options::parse(&[]).is_ok_and(|options| !options.json && !options.quick));
        assert!(Options::parse(&["verify"]).is_ok_and(|options| options.only == Some("verify")));
        assert!(Options::parse(&["scale", "--write"]).is_ok_and(|options| options.write));
        for wrong in [
            &["--write"][..],
            &["verify", "--write"],
            &["scale", "--write", "--quick"],
        ] {
            assert!(Options::parse(wrong).is_err());
        }
        assert!(Options::parse(&["--fast"]).is_err() && Options::parse(&["verify", "consume"]).is_err());
    }
}
