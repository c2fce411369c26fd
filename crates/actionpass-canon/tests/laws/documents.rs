//! Documents to test with, and every way to spell them.

use std::fmt::Write as _;

use actionpass_canon::rfc8785;
use proptest::prelude::*;
use serde_json::{Map, Number, Value};

/// Characters at every border that strings have.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        6 => prop::char::range('a', 'e'),
        2 => prop::char::range('\0', '\u{7f}'),
        1 => prop::sample::select(vec!['"', '\\', '/', '\u{80}', 'é', '€', '\u{d7ff}', '\u{e000}', '\u{ffff}', '😂', '\u{10ffff}']),
        1 => any::<char>(),
    ]
}

pub(super) fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::collection::vec(character(), 0..6).prop_map(String::from_iter),
        1 => (0..90_usize, prop::collection::vec(character(), 0..4)).prop_map(|(len, end)| "x".repeat(len) + &String::from_iter(end)),
    ]
}

/// Numbers whose canonical text isn't an unsafe integer.
fn number() -> impl Strategy<Value = Number> {
    let safe = -9_007_199_254_740_991_i64..=9_007_199_254_740_991;
    prop_oneof![
        (-100_i64..100).prop_map(Number::from),
        safe.prop_map(Number::from),
        any::<f64>().prop_filter_map("has no canonical text that is admitted", double),
        any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter_map("has no canonical text that is admitted", double),
        (any::<i32>(), -30_i32..30).prop_filter_map("out of range", |(digits, exponent)| {
            double(format!("{digits}e{exponent}").parse().unwrap())
        }),
    ]
}

fn double(value: f64) -> Option<Number> {
    let unsafe_integer = value.abs() >= 9_007_199_254_740_992.0 && value.abs() < 1e21;
    Number::from_f64(value).filter(|_| !unsafe_integer)
}

pub(super) fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::Number),
        string().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 48, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(string(), inner, 0..8)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// Choices of spelling, used up from the front and then over again.
struct Spelling {
    choices: Vec<u8>,
    at: usize,
}

impl Spelling {
    fn next(&mut self, of: u8) -> u8 {
        self.at += 1;
        self.choices[self.at % self.choices.len()] % of
    }

    fn space(&mut self, text: &mut String) {
        for _ in 0..self.next(4) {
            text.push_str([" ", "\n", "\t", "\r", "         ", "\n  "][usize::from(self.next(6))]);
        }
    }

    fn value(&mut self, text: &mut String, value: &Value) {
        match value {
            Value::Null => text.push_str("null"),
            Value::Bool(value) => write!(text, "{value}").unwrap(),
            Value::Number(number) => self.number(text, number),
            Value::String(string) => self.string(text, string),
            Value::Array(elements) => {
                text.push('[');
                self.space(text);
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    self.space(text);
                    self.value(text, element);
                    self.space(text);
                }
                text.push(']');
            }
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                for at in (1..members.len()).rev() {
                    let other = usize::from(self.next(255)) % (at + 1);
                    members.swap(at, other);
                }
                text.push('{');
                self.space(text);
                for (at, (name, value)) in members.into_iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    self.space(text);
                    self.string(text, name);
                    self.space(text);
                    text.push(':');
                    self.space(text);
                    self.value(text, value);
                    self.space(text);
                }
                text.push('}');
            }
        }
    }

    fn string(&mut self, text: &mut String, string: &str) {
        text.push('"');
        for character in string.chars() {
            let must = character < ' ' || character == '"' || character == '\\';
            match (self.next(8), character) {
                (0, _) => self.unicode_escape(text, character),
                (_, '"' | '\\') | (1, '/') => text.extend(['\\', character]),
                (2.., '\u{8}') => text.push_str("\\b"),
                (2.., '\t') => text.push_str("\\t"),
                (2.., '\n') => text.push_str("\\n"),
                (2.., '\u{c}') => text.push_str("\\f"),
                (2.., '\r') => text.push_str("\\r"),
                _ if must => self.unicode_escape(text, character),
                _ => text.push(character),
            }
        }
        text.push('"');
    }

    fn unicode_escape(&mut self, text: &mut String, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            match self.next(2) {
                0 => write!(text, "\\u{unit:04x}").unwrap(),
                _ => write!(text, "\\u{unit:04X}").unwrap(),
            }
        }
    }

    /// The same number with its point moved, zeros added, another sign for zero, another `e`. Only an integer that
    /// is safe stays without a point.
    fn number(&mut self, text: &mut String, number: &Number) {
        let canonical = match number.as_i64() {
            Some(integer) => integer.to_string(),
            None => rfc8785::number(number.as_f64().unwrap()).unwrap(),
        };
        let (mantissa, exponent) = canonical.split_once('e').unwrap_or((&canonical, "0"));
        let exponent: i64 = exponent.parse().unwrap();
        let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{integer}{fraction}");
        let fraction_len = fraction.len() as i64;
        match self.next(5) {
            0 => text.push_str(&canonical),
            1 => {
                let zeros = "0".repeat(usize::from(self.next(20)) + 1);
                let e = if exponent == 0 {
                    String::new()
                } else {
                    format!("E{exponent:+}")
                };
                write!(text, "{sign}{integer}.{fraction}{zeros}{e}").unwrap();
            }
            2 => {
                let digits = digits.trim_start_matches('0');
                let digits = if digits.is_empty() { "0" } else { digits };
                write!(text, "{sign}{digits}e{}", exponent - fraction_len).unwrap();
            }
            3 => {
                let zeros = i64::from(self.next(30));
                let padding = "0".repeat(zeros as usize);
                let point = exponent + integer.len() as i64 + zeros;
                write!(text, "{sign}0.{padding}{digits}E{point:+04}").unwrap();
            }
            _ if canonical == "0" => {
                text.push_str(["-0", "-0.0", "0e99999999999", "0E-7", "0.000"][usize::from(self.next(5))])
            }
            _ => text.push_str(&canonical),
        }
    }
}

pub(super) fn spell(value: &Value, choices: Vec<u8>) -> String {
    let mut text = String::new();
    let mut spelling = Spelling { choices, at: 0 };
    spelling.space(&mut text);
    spelling.value(&mut text, value);
    spelling.space(&mut text);
    text
}

pub(super) fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..64)
}
