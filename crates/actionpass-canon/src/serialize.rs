//! The canonicalizer: typed values to RFC 8785 bytes, through serde.

mod compound;
mod known;
mod name;

use std::cell::Cell;

use serde::Serialize;
use serde::ser::Serializer;

use crate::number::{Decimal, MAX_SAFE_INTEGER};
use crate::order::Member;
use crate::text::write_string;
use crate::{AdmitCode, CanonError, CanonicalBytes, Limits};
use compound::{Array, Object};
pub(crate) use known::binding_digest;
pub use known::canonicalize_decision;

/// The canonical bytes of a typed value (RFC 8785), shaped as `serde_json` would shape it.
///
/// What would not survive the way through JSON is an error, never a silent change: members of the same name (from a
/// map or through `flatten`), NaN and infinities, integers outside of ±(2^53−1). Values nested deeper than the default
/// [`Limits`] are refused; their size isn't limited.
///
/// ```
/// use std::collections::BTreeMap;
/// use actionpass_canon::{CanonError, canonicalize};
///
/// let bytes = canonicalize(&BTreeMap::from([("b", 1.5), ("a", -0.0)]))?;
/// assert_eq!(bytes.as_bytes(), br#"{"a":0,"b":1.5}"#);
/// assert_eq!(canonicalize(&[f64::NAN]).unwrap_err().code(), "number_out_of_range");
/// # Ok::<(), CanonError>(())
/// ```
///
/// # Errors
/// [`CanonError::Refused`] for all of the above, [`CanonError::NameNotText`] for a map key that is neither text nor
/// an integer, [`CanonError::NotSerializable`] if the value's own `Serialize` fails.
pub fn canonicalize<T: Serialize + ?Sized>(value: &T) -> Result<CanonicalBytes, CanonError> {
    written(
        |writer| value.serialize(writer),
        |bytes| CanonicalBytes::new(bytes.to_vec()),
    )
}

/// What `look` makes of what `write` writes.
fn written<T>(
    write: impl FnOnce(&mut Writer) -> Result<(), CanonError>,
    look: impl FnOnce(&[u8]) -> T,
) -> Result<T, CanonError> {
    let mut writer = Writer::take();
    let seen = write(&mut writer).map(|()| look(&writer.out));
    writer.put_back();
    seen
}

const MAX_DEPTH: usize = Limits::new().max_depth();

/// What is written, and what that needs. Kept by the thread: to let a buffer grow takes as long as to fill it.
#[derive(Debug, Default)]
struct Writer {
    out: Vec<u8>,
    /// The members, so far, of all open objects.
    members: Vec<Member>,
    scratch: Vec<u8>,
    depth: usize,
}

thread_local! {
    static WRITER: Cell<Writer> = Cell::default();
}

impl Writer {
    /// What is kept for the next value, in bytes or entries of each part; larger parts are freed.
    const KEPT: usize = 4096;

    fn take() -> Self {
        WRITER.try_with(Cell::take).unwrap_or_default()
    }

    fn put_back(mut self) {
        self.out.clear();
        self.out.shrink_to(Self::KEPT);
        self.members.clear();
        self.members.shrink_to(Self::KEPT);
        self.scratch.clear();
        self.scratch.shrink_to(Self::KEPT);
        self.depth = 0;
        // A thread that is about to end keeps nothing.
        let _ = WRITER.try_with(|writer| writer.set(self));
    }
}

impl Writer {
    fn enter(&mut self, bracket: u8) -> Result<(), CanonError> {
        if self.depth >= MAX_DEPTH {
            return Err(CanonError::Refused(AdmitCode::DepthExceeded));
        }
        self.depth = self.depth.wrapping_add(1);
        self.out.push(bracket);
        Ok(())
    }

    fn leave(&mut self, bracket: u8) {
        self.depth = self.depth.wrapping_sub(1);
        self.out.push(bracket);
    }

    fn object(&mut self) -> Result<Object<'_>, CanonError> {
        self.enter(b'{')?;
        Ok(Object {
            first: self.members.len(),
            sorted: true,
            wrapped: false,
            writer: self,
        })
    }

    fn array(&mut self) -> Result<Array<'_>, CanonError> {
        self.enter(b'[')?;
        Ok(Array {
            empty: true,
            wrapped: false,
            writer: self,
        })
    }

    /// Starts `{"variant":`, which [`Writer::end_variant`] ends.
    fn variant(&mut self, variant: &str) -> Result<(), CanonError> {
        self.enter(b'{')?;
        write_string(&mut self.out, variant);
        self.out.push(b':');
        Ok(())
    }

    fn end_variant(&mut self) {
        self.leave(b'}');
    }

    fn safe_integer(&mut self, negative: bool, magnitude: u128) -> Result<(), CanonError> {
        match u64::try_from(magnitude) {
            Ok(magnitude) if magnitude <= MAX_SAFE_INTEGER => {
                if negative {
                    self.out.push(b'-');
                }
                self.out
                    .extend_from_slice(itoa::Buffer::new().format(magnitude).as_bytes());
                Ok(())
            }
            _ => Err(CanonError::Refused(AdmitCode::NumberUnsafeInteger)),
        }
    }
}

impl<'w> Serializer for &'w mut Writer {
    type Ok = ();
    type Error = CanonError;
    type SerializeSeq = Array<'w>;
    type SerializeTuple = Array<'w>;
    type SerializeTupleStruct = Array<'w>;
    type SerializeTupleVariant = Array<'w>;
    type SerializeMap = Object<'w>;
    type SerializeStruct = Object<'w>;
    type SerializeStructVariant = Object<'w>;

    fn serialize_bool(self, value: bool) -> Result<(), CanonError> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), CanonError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), CanonError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), CanonError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), CanonError> {
        self.safe_integer(value < 0, value.unsigned_abs().into())
    }

    fn serialize_i128(self, value: i128) -> Result<(), CanonError> {
        self.safe_integer(value < 0, value.unsigned_abs())
    }

    fn serialize_u8(self, value: u8) -> Result<(), CanonError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), CanonError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), CanonError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), CanonError> {
        self.safe_integer(false, value.into())
    }

    fn serialize_u128(self, value: u128) -> Result<(), CanonError> {
        self.safe_integer(false, value)
    }

    fn serialize_f32(self, value: f32) -> Result<(), CanonError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), CanonError> {
        let decimal = Decimal::shortest(value).ok_or(CanonError::Refused(AdmitCode::NumberOutOfRange))?;
        decimal
            .checked()
            .map_err(|refused| CanonError::Refused(refused.code))?
            .write(&mut self.out);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), CanonError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), CanonError> {
        write_string(&mut self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), CanonError> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), CanonError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CanonError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), CanonError> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CanonError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), CanonError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), CanonError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), CanonError> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.end_variant();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'w>, CanonError> {
        self.array()
    }

    fn serialize_tuple(self, _: usize) -> Result<Array<'w>, CanonError> {
        self.array()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array<'w>, CanonError> {
        self.array()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array<'w>, CanonError> {
        self.variant(variant)?;
        Ok(Array {
            wrapped: true,
            ..self.array()?
        })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'w>, CanonError> {
        self.object()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'w>, CanonError> {
        self.object()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'w>, CanonError> {
        self.variant(variant)?;
        Ok(Object {
            wrapped: true,
            ..self.object()?
        })
    }
}
