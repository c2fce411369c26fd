//! `cargo xtask bench`: the budgets of `docs/benchmarks.md`, measured in one run, as a table or as JSON.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::process::{self, Result, capture, cargo, root};
use crate::{bindings, tools};

/// How to run it.
#[derive(Clone, Copy, Debug, Default)]
struct Options<'a> {
    /// Only this part: `verify`, `authorize`, `admission`, `decisions`, `consume`, `threads`, `command-line`, or `node`, which
    /// is measured only where it is named.
    only: Option<&'a str>,
    /// One JSON object instead of the table.
    json: bool,
    /// Only to see that everything runs: the figures say nothing and no budget is judged.
    quick: bool,
}

impl<'a> Options<'a> {
    fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match *argument {
                "--json" => options.json = true,
                "--quick" => options.quick = true,
                option if option.starts_with('-') => {
                    return Err(format!("`bench` has no option `{option}`").into());
                }
                part if options.only.is_none() => options.only = Some(part),
                part => return Err(format!("`bench` measures one part or all, not `{part}` as well").into()),
            }
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
    print(&report, options)
}

fn print(report: &Value, options: Options<'_>) -> Result {
    let rows = report
        .get("rows")
        .and_then(Value::as_array)
        .ok_or("the benchmark reported no rows")?;
    if options.json {
        println!("{report}");
    } else {
        print!("{}", table(rows, options));
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
    command.env("ACTIONPASS_BIN", release()?);
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
    fn only_known_options_are_taken() {
        assert!(Options::parse(&["--json", "--quick"]).is_ok_and(|options| options.json && options.quick));
        assert!(Options::parse(&[]).is_ok_and(|options| !options.json && !options.quick));
        assert!(Options::parse(&["verify"]).is_ok_and(|options| options.only == Some("verify")));
        assert!(Options::parse(&["--fast"]).is_err() && Options::parse(&["verify", "consume"]).is_err());
    }
}
