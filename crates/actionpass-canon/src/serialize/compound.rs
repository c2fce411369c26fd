//! Objects and arrays that are being written.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant,
};

use super::Writer;
use super::name::NameSerializer;
use crate::order::{self, Member};
use crate::text::write_string;
use crate::{AdmitCode, CanonError};

/// Offsets have 32 bits.
const TOO_LARGE: CanonError = CanonError::Refused(AdmitCode::SizeExceeded);

/// An object that is being written.
pub(super) struct Object<'w> {
    pub(super) writer: &'w mut Writer,
    pub(super) first: usize,
    pub(super) sorted: bool,
    /// It is the content of an enum's variant.
    pub(super) wrapped: bool,
}

impl Object<'_> {
    /// Starts a member; `write_name` writes its name as a canonical string.
    fn name(&mut self, write_name: impl FnOnce(&mut Vec<u8>) -> Result<(), CanonError>) -> Result<(), CanonError> {
        let Writer { out, members, .. } = &mut *self.writer;
        if members.len() > self.first {
            out.push(b',');
        }
        let start = out.len();
        write_name(out)?;
        let name_len = out.len().saturating_sub(start).saturating_sub(2);
        if u32::try_from(out.len()).is_err() {
            return Err(TOO_LARGE);
        }
        let (start, name_len) = (order::offset(start), order::offset(name_len));
        let mut member = Member {
            key: 0,
            at: start,
            start,
            end: 0,
            name_len,
            in_input: false,
            plain: true,
        };
        let name = member.name(&[], out);
        if name.starts_with(crate::gate::RESERVED_PREFIX) {
            return Err(CanonError::Refused(AdmitCode::MemberNameReserved));
        }
        member.plain = order::is_plain(name);
        member.key = order::key(name, name.len(), member.plain);
        if let Some(before) = members.get(self.first..).and_then(<[_]>::last) {
            self.sorted &= before.compare(&member, &[], out).is_lt();
        }
        out.push(b':');
        members.push(member);
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonError> {
        value.serialize(&mut *self.writer)?;
        let Writer { out, members, .. } = &mut *self.writer;
        if u32::try_from(out.len()).is_err() {
            return Err(TOO_LARGE);
        }
        if let Some(member) = members.last_mut() {
            member.end = order::offset(out.len());
        }
        Ok(())
    }

    fn finish(self) -> Result<(), CanonError> {
        let Writer {
            out, members, scratch, ..
        } = &mut *self.writer;
        if !self.sorted {
            order::arrange(members.get_mut(self.first..).unwrap_or_default(), &[], out, scratch)
                .map_err(|_| CanonError::Refused(AdmitCode::MemberDuplicate))?;
        }
        members.truncate(self.first);
        self.writer.leave(b'}');
        if self.wrapped {
            self.writer.end_variant();
        }
        Ok(())
    }
}

/// An array that is being written.
pub(super) struct Array<'w> {
    pub(super) writer: &'w mut Writer,
    pub(super) empty: bool,
    /// It is the content of an enum's variant.
    pub(super) wrapped: bool,
}

impl Array<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonError> {
        if !std::mem::take(&mut self.empty) {
            self.writer.out.push(b',');
        }
        value.serialize(&mut *self.writer)
    }

    fn finish(self) {
        self.writer.leave(b']');
        if self.wrapped {
            self.writer.end_variant();
        }
    }
}

macro_rules! array {
    ($($how:ident :: $element:ident),+) => {$(
        impl $how for Array<'_> {
            type Ok = ();
            type Error = CanonError;

            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonError> {
                self.element(value)
            }

            fn end(self) -> Result<(), CanonError> {
                self.finish();
                Ok(())
            }
        }
    )+};
}
array!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! object {
    ($($how:ident),+) => {$(
        impl $how for Object<'_> {
            type Ok = ();
            type Error = CanonError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), CanonError> {
                self.name(|out| {
                    write_string(out, name);
                    Ok(())
                })?;
                self.value(value)
            }

            fn end(self) -> Result<(), CanonError> {
                self.finish()
            }
        }
    )+};
}
object!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Object<'_> {
    type Ok = ();
    type Error = CanonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CanonError> {
        self.name(|out| key.serialize(NameSerializer { out }))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonError> {
        self.value(value)
    }

    fn end(self) -> Result<(), CanonError> {
        self.finish()
    }
}
