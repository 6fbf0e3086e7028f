//! `#[derive(Event)]`: a struct whose fields are the columns of a table.
//!
//! The table's and the columns' documentation are the doc comments. It emits only data (the
//! `Table`) and the column builder; every use of a table is an ordinary function elsewhere.
//!
//! ```ignore
//! /// A file was opened.
//! #[derive(Event)]
//! #[event(table = "file_open", since = "0.1")]
//! struct FileOpen<'a> {
//!     /// The path as the caller gave it.
//!     #[event(kind = Path, personal)]
//!     path: &'a [u8],
//!     /// Bytes in the file.
//!     #[event(kind = Uint, unit = Bytes)]
//!     size: u64,
//! }
//! ```
#![forbid(unsafe_code)]

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Error, Expr, Fields, Lit, LitStr, Meta, Result};

/// Derives `schema::Event`. See the crate's documentation for the attributes.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    event(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn event(input: &DeriveInput) -> Result<TokenStream> {
    let table = TableAttribute::parse(input)?;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(input, "Event is derived for structs"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(input, "Event needs named fields: they name the columns"));
    };
    let mut described = Vec::new();
    let mut pushed = Vec::new();
    for (at, field) in fields.named.iter().enumerate() {
        let column = FieldAttribute::parse(field, &table.since)?;
        let (ident, ty) = (&field.ident, for_all_time(quote::ToTokens::to_token_stream(&field.ty)));
        let (name, doc, since) = (column.name, column.doc, column.since);
        let (kind, unit, sensitivity) = (column.kind, column.unit, column.sensitivity);
        described.push(quote! {{
            const KIND: ::schema::Kind = {
                #[allow(unused_imports)]
                use ::schema::{Kind::*, PeerPart};
                #kind
            };
            assert!(
                KIND.storage() as u8 == <#ty as ::schema::Cell>::STORAGE as u8,
                concat!("the type of `", #name, "` does not fit its kind"),
            );
            ::schema::Field {
                name: #name,
                doc: #doc,
                kind: KIND,
                unit: ::schema::Unit::#unit,
                nullable: <#ty as ::schema::Cell>::NULLABLE,
                since: #since,
                sensitivity: ::schema::Sensitivity::#sensitivity,
            }
        }});
        pushed.push(quote! { ::schema::Cell::push(self.#ident, &mut columns[#at]); });
    }
    let ident = &input.ident;
    let (generics, arguments, clause) = input.generics.split_for_impl();
    let (name, doc, since) = (&table.name, &table.doc, &table.since);
    let brief = table.brief.split_whitespace();
    Ok(quote! {
        const _: () = {
            impl #generics ::schema::Event for #ident #arguments #clause {
                const TABLE: &'static ::schema::Table = {
                    // A static, so that a table has one address and may be told by it.
                    static TABLE: ::schema::Table = ::schema::Table {
                        name: #name, doc: #doc, since: #since, fields: &[#(#described),*],
                        brief: &[#(#brief),*],
                    };
                    &TABLE
                };
                #[inline]
                fn push(self, columns: &mut [::schema::Column]) {
                    #(#pushed)*
                }
            }
        };
    })
}

/// `&'a [u8]` as `&'static [u8]`: a table is a static and knows no lifetime of a row.
fn for_all_time(tokens: TokenStream) -> TokenStream {
    let mut after_tick = false;
    let step = |token| match token {
        TokenTree::Punct(punct) => {
            after_tick = punct.as_char() == '\'';
            TokenTree::Punct(punct)
        }
        TokenTree::Ident(ident) if std::mem::take(&mut after_tick) => {
            TokenTree::Ident(Ident::new("static", ident.span()))
        }
        TokenTree::Group(group) => {
            TokenTree::Group(Group::new(group.delimiter(), for_all_time(group.stream())))
        }
        other => other,
    };
    tokens.into_iter().map(step).collect()
}

struct TableAttribute {
    name: String,
    since: String,
    doc: String,
    brief: String,
}

struct FieldAttribute {
    name: String,
    doc: String,
    since: String,
    kind: Expr,
    unit: Expr,
    sensitivity: TokenStream,
}

impl TableAttribute {
    fn parse(input: &DeriveInput) -> Result<TableAttribute> {
        let (mut name, mut since, mut brief) = (None, None, None);
        for attribute in event_attributes(&input.attrs) {
            attribute.parse_nested_meta(|meta| {
                let slot = match () {
                    () if meta.path.is_ident("table") => &mut name,
                    () if meta.path.is_ident("since") => &mut since,
                    () if meta.path.is_ident("brief") => &mut brief,
                    () => return Err(meta.error("`table`, `since` and `brief` are known here")),
                };
                *slot = Some(meta.value()?.parse::<LitStr>()?.value());
                Ok(())
            })?;
        }
        let missing =
            |what| Error::new_spanned(&input.ident, format!("#[event({what} = \"…\")] is missing"));
        Ok(TableAttribute {
            name: name.ok_or_else(|| missing("table"))?,
            since: since.ok_or_else(|| missing("since"))?,
            doc: documentation(&input.attrs, &input.ident)?,
            brief: brief.unwrap_or_default(),
        })
    }
}

impl FieldAttribute {
    fn parse(field: &syn::Field, table_since: &str) -> Result<FieldAttribute> {
        let mut since = table_since.to_string();
        let (mut kind, mut unit, mut sensitivity) = (None, syn::parse_quote!(None), quote!(Plain));
        for attribute in event_attributes(&field.attrs) {
            attribute.parse_nested_meta(|meta| {
                match () {
                    () if meta.path.is_ident("kind") => kind = Some(meta.value()?.parse()?),
                    () if meta.path.is_ident("unit") => unit = meta.value()?.parse()?,
                    () if meta.path.is_ident("since") => {
                        since = meta.value()?.parse::<LitStr>()?.value();
                    }
                    () if meta.path.is_ident("personal") => sensitivity = quote!(Personal),
                    () => {
                        let known = "`kind`, `unit`, `since` and `personal` are known here";
                        return Err(meta.error(known));
                    }
                }
                Ok(())
            })?;
        }
        let name = field.ident.as_ref().expect("named fields were checked").to_string();
        let name = name.trim_start_matches("r#").to_string();
        let kind =
            kind.ok_or_else(|| Error::new_spanned(field, "#[event(kind = …)] is missing"))?;
        let doc = documentation(&field.attrs, field)?;
        Ok(FieldAttribute { name, doc, since, kind, unit, sensitivity })
    }
}

fn event_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("event"))
}

/// The doc comment as one line; a table or column without one is refused.
fn documentation(attributes: &[Attribute], place: impl quote::ToTokens) -> Result<String> {
    let lines = attributes.iter().filter(|it| it.path().is_ident("doc")).filter_map(|it| {
        let Meta::NameValue(pair) = &it.meta else { return None };
        let Expr::Lit(literal) = &pair.value else { return None };
        let Lit::Str(text) = &literal.lit else { return None };
        Some(text.value().trim().to_string())
    });
    let text = lines.collect::<Vec<_>>().join(" ").trim().to_string();
    if text.is_empty() {
        return Err(Error::new_spanned(place, "a doc comment is missing: it documents the table"));
    }
    Ok(text)
}
