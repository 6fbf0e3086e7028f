//! Sections: one declaration gives a key its name, its documentation and its default.

/// A key, for whoever documents a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Its documentation, line by line, each with the blank that it begins with.
    pub doc: &'static [&'static str],
    /// Its default, as JSON; null where it has none and must be given.
    pub default: serde_json::Value,
}

/// Declares structs whose fields are keys with defaults; a key that is not there is refused.
macro_rules! sections {
    ($(
        $(#[doc = $about:literal])+
        $name:ident {
            $( $(#[doc = $doc:literal])+ $(#[serde($($serde:tt)+)])? $field:ident: $type:ty = $default:expr, )*
        }
    )+) => { $(
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $( $(#[doc = $doc])+ $(#[serde($($serde)+)])? pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $( $field: $default, )* }
            }
        }

        impl $name {
            /// Its keys, for the documentation.
            pub fn keys() -> Vec<$crate::config::Key> {
                let default = serde_json::to_value($name::default()).unwrap_or_default();
                vec![$( $crate::config::Key {
                    name: stringify!($field),
                    doc: &[$( $doc ),+],
                    default: default[stringify!($field)].clone(),
                }, )*]
            }
        }
    )+ };
}
pub(super) use sections;
