//! Map keys as member names: text, and integers and variants written as text, as `serde_json` does.

use serde::Serialize;
use serde::ser::{Impossible, Serializer};

use crate::CanonError;
use crate::text::write_string;

type Never = Impossible<(), CanonError>;

/// Writes a name as a canonical string.
pub(super) struct NameSerializer<'w> {
    pub(super) out: &'w mut Vec<u8>,
}

impl NameSerializer<'_> {
    fn integer(self, value: impl itoa::Integer) -> Result<(), CanonError> {
        write_string(self.out, itoa::Buffer::new().format(value));
        Ok(())
    }
}

impl Serializer for NameSerializer<'_> {
    type Ok = ();
    type Error = CanonError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    fn serialize_str(self, value: &str) -> Result<(), CanonError> {
        write_string(self.out, value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), CanonError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_bool(self, value: bool) -> Result<(), CanonError> {
        self.serialize_str(if value { "true" } else { "false" })
    }

    fn serialize_i8(self, value: i8) -> Result<(), CanonError> {
        self.integer(value)
    }

    fn serialize_i16(self, value: i16) -> Result<(), CanonError> {
        self.integer(value)
    }

    fn serialize_i32(self, value: i32) -> Result<(), CanonError> {
        self.integer(value)
    }

    fn serialize_i64(self, value: i64) -> Result<(), CanonError> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<(), CanonError> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), CanonError> {
        self.integer(value)
    }

    fn serialize_u16(self, value: u16) -> Result<(), CanonError> {
        self.integer(value)
    }

    fn serialize_u32(self, value: u32) -> Result<(), CanonError> {
        self.integer(value)
    }

    fn serialize_u64(self, value: u64) -> Result<(), CanonError> {
        self.integer(value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), CanonError> {
        self.integer(value)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), CanonError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), CanonError> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CanonError> {
        value.serialize(self)
    }

    fn serialize_f32(self, _: f32) -> Result<(), CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_f64(self, _: f64) -> Result<(), CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_none(self) -> Result<(), CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_unit(self) -> Result<(), CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Never, CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never, CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Never, CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Never, CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Never, CanonError> {
        Err(CanonError::NameNotText)
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Never, CanonError> {
        Err(CanonError::NameNotText)
    }
}
