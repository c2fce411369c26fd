//! TOML that is edited where it has to be.

use std::ops::Range;

use toml_edit::{Array, ArrayOfTables, Document, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use crate::json::Json;

/// A document that is edited.
#[derive(Clone, Debug)]
pub(crate) struct Editor {
    document: DocumentMut,
    /// Lines end in CR LF; `document` has LF alone.
    has_returns: bool,
}

impl Editor {
    /// Reads a document that can be written again as it is.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let has_returns = text.contains("\r\n");
        let plain = text.replace("\r\n", "\n");
        let document: DocumentMut = plain
            .parse()
            .map_err(|error: toml_edit::TomlError| format!("it is no TOML: {}", one_line(error.message())))?;
        let editor = Self { document, has_returns };
        // Where that isn't so, bytes would change that no edit is about.
        if editor.clone().into_text() == text {
            Ok(editor)
        } else {
            Err("it can't be written again as it is: its lines end in different ways".to_owned())
        }
    }

    /// The text as it is now.
    pub(crate) fn into_text(self) -> String {
        let text = self.document.to_string();
        if self.has_returns {
            text.replace('\n', "\r\n")
        } else {
            text
        }
    }

    /// All of it.
    pub(crate) fn value(&self) -> Json {
        of_table(self.document.as_table())
    }

    /// Gives the member that a path leads to this value; tables on the way are made.
    pub(crate) fn set(&mut self, path: &[String], value: &Json) -> Result<(), String> {
        let Some((name, above)) = path.split_last() else {
            return Err("no member is named".to_owned());
        };
        let (table, _) = self.table(above)?;
        let mut item = to_item(value);
        match (table.get_mut(name), &mut item) {
            (Some(Item::Value(there)), Item::Value(new)) => {
                *new.decor_mut() = there.decor().clone();
                *there = new.clone();
            }
            _ => {
                table.insert(name, item);
            }
        }
        Ok(())
    }

    /// Removes what a path leads to.
    pub(crate) fn remove(&mut self, path: &[String]) {
        let Some((name, above)) = path.split_last() else { return };
        let mut item = self.document.as_item_mut();
        for name in above {
            match item.get_mut(name) {
                Some(deeper) => item = deeper,
                None => return,
            }
        }
        if let Some(table) = item.as_table_like_mut() {
            table.remove(name);
        }
    }

    /// Adds a table to the list of tables that a path leads to, which is made. How many of the path's names were not there.
    pub(crate) fn push(&mut self, path: &[String], item: &Json) -> Result<usize, String> {
        let Some((name, above)) = path.split_last() else {
            return Err("no list is named".to_owned());
        };
        let is_first = self.document.as_table().is_empty();
        let (table, mut made) = self.table(above)?;
        if table.get(name).is_none() {
            table.insert(name, Item::ArrayOfTables(ArrayOfTables::new()));
            made = made.saturating_add(1);
        }
        let Some(tables) = table.get_mut(name).and_then(Item::as_array_of_tables_mut) else {
            return Err(format!("`{name}` is no list of tables"));
        };
        let mut entry = to_table(item).ok_or("the item is no table")?;
        if !is_first {
            entry.decor_mut().set_prefix("\n");
        }
        tables.push(entry);
        Ok(made)
    }

    /// Removes the first table of a list that has this value; whether there was one.
    pub(crate) fn pull(&mut self, path: &[String], item: &Json) -> bool {
        let mut found = Some(self.document.as_item_mut());
        for name in path {
            found = found.and_then(|item| item.get_mut(name));
        }
        let Some(tables) = found.and_then(Item::as_array_of_tables_mut) else {
            return false;
        };
        let place = tables.iter().position(|table| of_table(table).is_same(item));
        if let Some(place) = place {
            tables.remove(place);
        }
        place.is_some()
    }

    /// The table that a path leads to, made where it isn't there; how many of its names were not.
    fn table(&mut self, path: &[String]) -> Result<(&mut dyn TableLike, usize), String> {
        let mut table: &mut dyn TableLike = self.document.as_table_mut();
        let mut made = 0_usize;
        for name in path {
            if table.get(name).is_none() {
                made = made.saturating_add(1);
                let mut new = Table::new();
                new.set_implicit(true);
                table.insert(name, Item::Table(new));
            }
            table = table
                .get_mut(name)
                .and_then(Item::as_table_like_mut)
                .ok_or_else(|| format!("`{name}` is no table"))?;
        }
        Ok((table, made))
    }
}

/// Where the strings of a document stand (with their quotes), each with the names and places that lead to it.
pub(crate) fn strings(text: &str) -> Vec<(Vec<String>, Range<usize>, String)> {
    let mut found = Vec::new();
    if let Ok(document) = Document::parse(text) {
        let mut path = Vec::new();
        strings_of_table(document.as_table(), &mut path, &mut found);
    }
    found
}

fn strings_of_table(
    table: &dyn TableLike,
    path: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, Range<usize>, String)>,
) {
    for (name, item) in table.iter() {
        path.push(name.to_owned());
        match item {
            Item::Table(table) => strings_of_table(table, path, found),
            Item::ArrayOfTables(tables) => {
                for table in tables {
                    strings_of_table(table, path, found);
                }
            }
            Item::Value(value) => strings_of_value(value, path, found),
            Item::None => {}
        }
        path.pop();
    }
}

fn strings_of_value(value: &Value, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, Range<usize>, String)>) {
    match value {
        Value::String(text) => {
            if let Some(span) = text.span() {
                found.push((path.clone(), span, text.value().clone()));
            }
        }
        Value::Array(items) => {
            for item in items {
                strings_of_value(item, path, found);
            }
        }
        Value::InlineTable(table) => strings_of_table(table, path, found),
        _ => {}
    }
}

fn of_table(table: &dyn TableLike) -> Json {
    let members = table
        .iter()
        .filter_map(|(name, item)| Some((name.to_owned(), of_item(item)?)));
    Json::Object(members.collect())
}

fn of_item(item: &Item) -> Option<Json> {
    match item {
        Item::None => None,
        Item::Value(value) => Some(of_value(value)),
        Item::Table(table) => Some(of_table(table)),
        Item::ArrayOfTables(tables) => Some(Json::List(tables.iter().map(|table| of_table(table)).collect())),
    }
}

fn of_value(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::text(text.value()),
        Value::Boolean(value) => Json::Bool(*value.value()),
        Value::Integer(number) => Json::Number(number.value().to_string()),
        // Nothing of ours has one; the spelling tells them apart.
        Value::Float(number) => Json::Number(number.display_repr().into_owned()),
        Value::Datetime(time) => Json::text(time.value().to_string()),
        Value::Array(items) => Json::List(items.iter().map(of_value).collect()),
        Value::InlineTable(table) => of_table(table),
    }
}

fn to_item(value: &Json) -> Item {
    match value {
        Json::Object(_) => to_table(value).map_or(Item::None, Item::Table),
        other => to_value(other).map_or(Item::None, Item::Value),
    }
}

fn to_table(value: &Json) -> Option<Table> {
    let Json::Object(members) = value else { return None };
    let mut table = Table::new();
    for (name, value) in members {
        table.insert(name, to_item(value));
    }
    Some(table)
}

fn to_value(value: &Json) -> Option<Value> {
    Some(match value {
        // TOML has none: the member is absent.
        Json::Null => return None,
        Json::Bool(value) => Value::from(*value),
        Json::Number(spelled) => spelled.parse().ok()?,
        Json::Text(text) => Value::from(text.as_str()),
        Json::List(items) => Value::Array(items.iter().filter_map(to_value).collect::<Array>()),
        Json::Object(members) => {
            let mut table = InlineTable::new();
            for (name, value) in members {
                if let Some(value) = to_value(value) {
                    table.insert(name, value);
                }
            }
            Value::InlineTable(table)
        }
    })
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}
