//! `label`: what a pod is labelled with, as the cluster said last.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::cast::as_string_view_array;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::texts;

/// Tells a pod's label, of a namespace, a pod and a key. With an empty namespace it is the one
/// pod of that name; none where several have it.
pub type Labels = Arc<dyn Fn(&str, &str, &str) -> Option<String> + Send + Sync>;

/// [`Labels`], or none where nobody knows.
#[derive(Clone)]
struct Lookup(Option<Labels>);

/// `label(pod, key)` and `label(namespace, pod, key)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Label {
    labels: Lookup,
    signature: Signature,
}

impl Label {
    pub(super) fn new(labels: Option<Labels>) -> Label {
        let either = vec![TypeSignature::String(2), TypeSignature::String(3)];
        Label { labels: Lookup(labels), signature: Signature::one_of(either, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for Label {
    fn name(&self) -> &str {
        "label"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args.args.iter().map(|value| texts(value, args.number_rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let columns = arrays.iter().map(|array| as_string_view_array(array));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let mut last: Option<([&str; 3], Option<String>)> = None;
        let rows = (0..args.number_rows).map(|row| {
            if !columns.iter().all(|column| column.is_valid(row)) {
                return None;
            }
            let asked = match columns[..] {
                [pod, key] => ["", pod.value(row), key.value(row)],
                [namespace, pod, key] => [namespace.value(row), pod.value(row), key.value(row)],
                _ => return None,
            };
            if let Some((known, answer)) = &last
                && *known == asked
            {
                return answer.clone();
            }
            let [namespace, pod, key] = asked;
            let answer = self.labels.0.as_ref().and_then(|labels| labels(namespace, pod, key));
            last = Some((asked, answer.clone()));
            answer
        });
        let found: StringViewArray = rows.collect();
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

impl Lookup {
    fn place(&self) -> Option<*const ()> {
        self.0.as_ref().map(|labels| Arc::as_ptr(labels).cast())
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lookup({})", self.0.is_some())
    }
}

impl PartialEq for Lookup {
    fn eq(&self, other: &Lookup) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Lookup {}

impl Hash for Lookup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}
