//! Free-form JSON inside of documents: read strictly, so that two values never become one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

/// Any JSON value whose objects have no duplicate member names.
///
/// serde_json alone would keep the last of two equal names silently.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct JsonValue(Value);

/// A JSON object without duplicate member names, at any depth.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct JsonObject(Map<String, Value>);

/// Stands where a JSON value was read past: its bytes are kept elsewhere.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SkippedValue;

/// Stands where a JSON object was read past: its bytes are kept elsewhere.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SkippedObject;

impl JsonValue {
    /// The value.
    #[must_use]
    pub const fn get(&self) -> &Value {
        &self.0
    }

    /// The value, by value.
    #[must_use]
    pub fn into_inner(self) -> Value {
        self.0
    }
}

impl JsonObject {
    /// The members.
    #[must_use]
    pub const fn get(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members, by value.
    #[must_use]
    pub fn into_inner(self) -> Map<String, Value> {
        self.0
    }
}

impl From<Value> for JsonValue {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl From<Map<String, Value>> for JsonObject {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Map<String, Value>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                strict_members(access)
            }
        }
        deserializer.deserialize_map(ObjectVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for SkippedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl<'de> Deserialize<'de> for SkippedObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SkipVisitor;
        impl<'de> Visitor<'de> for SkipVisitor {
            type Value = SkippedObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(SkippedObject)
            }
        }
        deserializer.deserialize_map(SkipVisitor)
    }
}

impl Serialize for SkippedValue {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("a value that was skipped can't be written"))
    }
}

impl Serialize for SkippedObject {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("an object that was skipped can't be written"))
    }
}

/// Reads an optional member: absent is absent, and `null` is not absent (it goes to `T`, which refuses it).
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn strict_members<'de, A: MapAccess<'de>>(mut access: A) -> Result<Map<String, Value>, A::Error> {
    let mut members = Map::new();
    while let Some(name) = access.next_key::<String>()? {
        let JsonValue(value) = access.next_value()?;
        if members.insert(name, value).is_some() {
            return Err(A::Error::custom("duplicate field in a free-form object"));
        }
    }
    Ok(members)
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(JsonValue(value)) = access.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        strict_members(access).map(Value::Object)
    }
}

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use super::{JsonObject, JsonValue, SkippedObject, SkippedValue};

    macro_rules! schema {
        ($name:ident, $text:literal, $json:tt) => {
            impl schemars::JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    $text.into()
                }

                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    schemars::json_schema!($json)
                }
            }
        };
    }
    schema!(JsonValue, "JsonValue", {});
    schema!(SkippedValue, "JsonValue", {});
    schema!(JsonObject, "JsonObject", { "type": "object" });
    schema!(SkippedObject, "JsonObject", { "type": "object" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_refused_at_any_depth() {
        assert!(serde_json::from_str::<JsonValue>(r#"{"a":[{"b":1},{"b":2}]}"#).is_ok());
        for bad in [r#"{"a":1,"a":1}"#, r#"[{"a":{"b":1,"\u0062":2}}]"#] {
            assert!(serde_json::from_str::<JsonValue>(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<JsonObject>(r#"{"x":{"a":1,"a":1}}"#).is_err());
        assert!(serde_json::from_str::<JsonObject>("[]").is_err());
        assert!(serde_json::from_str::<SkippedObject>("null").is_err());
    }
}
