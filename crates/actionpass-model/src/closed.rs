//! Closed shapes: an object is read from a JSON object only, a name from a JSON string only.
//!
//! What serde derives is more generous: it also takes `["agent:a", "user:b", …]` for a struct, member by member, and
//! `{"human": null}` for a variant. Two spellings of one document are one too many, so every document of the schema
//! derives with `remote = "Self"`, which makes plain functions, and these macros put the traits in front of them.

/// `Serialize`, and `Deserialize` from a JSON object, for structs that derive both with `remote = "Self"`.
macro_rules! objects {
    ($($name:ident),+ $(,)?) => {$(
        $crate::closed::object!([], $name, []);
    )+};
}
pub(crate) use objects;

/// The same for one struct with parameters: `object!([P, C], ActionOf<P, C>, [P, C])`.
macro_rules! object {
    ([$($parameter:ident),*], $name:ty, [$($bounded:ident),*]) => {
        impl<'de, $($parameter),*> ::serde::Deserialize<'de> for $name
        where
            $($bounded: ::serde::Deserialize<'de>,)*
        {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor<T>(::std::marker::PhantomData<T>);
                impl<'de, $($parameter),*> ::serde::de::Visitor<'de> for Visitor<$name>
                where
                    $($bounded: ::serde::Deserialize<'de>,)*
                {
                    type Value = $name;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: ::serde::de::MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                        <$name>::deserialize(::serde::de::value::MapAccessDeserializer::new(access))
                    }
                }
                deserializer.deserialize_map(Visitor(::std::marker::PhantomData))
            }
        }

        impl<$($parameter),*> ::serde::Serialize for $name
        where
            $($bounded: ::serde::Serialize,)*
        {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$name>::serialize(self, serializer)
            }
        }
    };
}
pub(crate) use object;

/// `Serialize`, and `Deserialize` from a JSON string, for enums of units that derive both with `remote = "Self"`.
macro_rules! names {
    ($($name:ident),+ $(,)?) => {$(
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl ::serde::de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_str<E: ::serde::de::Error>(self, name: &str) -> Result<$name, E> {
                        $name::deserialize(::serde::de::IntoDeserializer::<E>::into_deserializer(name))
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $name::serialize(self, serializer)
            }
        }
    )+};
}
pub(crate) use names;

#[cfg(test)]
mod tests {
    use crate::{Action, Actor, ApprovalMode, DEMO_ACTION, Document, DocumentCode};

    #[test]
    fn an_array_is_no_object() {
        let array = r#"["agent:a","user:b","runtime:c",[]]"#;
        assert!(serde_json::from_str::<Actor>(array).is_err());
        let object = r#"{ "task": "AXT-418", "summary": "Open a pull request for AXT-418" }"#;
        let text = DEMO_ACTION.replace(object, r#"["AXT-418", "x"]"#);
        assert_ne!(text, DEMO_ACTION);
        let error = Action::from_json(text.as_bytes()).unwrap_err();
        assert_eq!((error.code(), error.path()), (DocumentCode::MemberInvalid, "intent"));
    }

    #[test]
    fn an_object_is_no_name() {
        assert!(serde_json::from_str::<ApprovalMode>(r#""human""#).is_ok());
        assert!(serde_json::from_str::<ApprovalMode>(r#"{"human":null}"#).is_err());
    }
}
