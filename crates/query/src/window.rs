//! The stretch of time that a scan's conditions leave.

use crate::TIME;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// A stretch of time, both ends belonging to it; an end that is not there is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
}

impl Window {
    /// What `conditions`, all of which have to hold, say of `time`.
    pub(crate) fn of(conditions: &[Expr]) -> Window {
        conditions.iter().map(bounds).fold(Window::default(), Window::meet)
    }

    /// Whether a row of `from..=to` may be in it.
    pub(crate) fn touches(self, from: i64, to: i64) -> bool {
        self.from.is_none_or(|it| it <= to) && self.to.is_none_or(|it| from <= it)
    }

    /// The smallest stretch that has all of both.
    pub(crate) fn hull(self, other: Window) -> Window {
        Window {
            from: self.from.zip(other.from).map(|(a, b)| a.min(b)),
            to: self.to.zip(other.to).map(|(a, b)| a.max(b)),
        }
    }

    fn meet(self, other: Window) -> Window {
        Window {
            from: self.from.into_iter().chain(other.from).max(),
            to: self.to.into_iter().chain(other.to).min(),
        }
    }
}

fn bounds(condition: &Expr) -> Window {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            bounds(left).meet(bounds(right))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            bounds(left).hull(bounds(right))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if let (true, Some(value)) = (is_time(left), moment(right)) {
                compared(*op, value)
            } else if let (Some(value), true, Some(op)) = (moment(left), is_time(right), op.swap())
            {
                compared(op, value)
            } else {
                Window::default()
            }
        }
        Expr::Between(between) if !between.negated && is_time(&between.expr) => {
            Window { from: moment(&between.low), to: moment(&between.high) }
        }
        Expr::InList(list) if !list.negated && is_time(&list.expr) => {
            let one = |value: i64| Window { from: Some(value), to: Some(value) };
            let each = list.list.iter().map(|it| moment(it).map_or(Window::default(), one));
            each.reduce(Window::hull).unwrap_or_default()
        }
        _ => Window::default(),
    }
}

fn compared(op: Operator, value: i64) -> Window {
    let (from, to) = match op {
        Operator::Eq => (Some(value), Some(value)),
        Operator::Gt => (Some(value.saturating_add(1)), None),
        Operator::GtEq => (Some(value), None),
        Operator::Lt => (None, Some(value.saturating_sub(1))),
        Operator::LtEq => (None, Some(value)),
        _ => (None, None),
    };
    Window { from, to }
}

/// Whether it is the column `time`, perhaps in another zone, which is the same moment.
fn is_time(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => column.name == TIME,
        _ => false,
    }
}

/// The moment that a literal says, in nanoseconds since 1970.
fn moment(expr: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = expr else { return None };
    match value {
        ScalarValue::TimestampNanosecond(value, _) => *value,
        ScalarValue::TimestampMicrosecond(value, _) => value.and_then(|it| it.checked_mul(1_000)),
        ScalarValue::TimestampMillisecond(value, _) => {
            value.and_then(|it| it.checked_mul(1_000_000))
        }
        ScalarValue::TimestampSecond(value, _) => {
            value.and_then(|it| it.checked_mul(1_000_000_000))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    fn at(nanoseconds: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(nanoseconds), Some("UTC".into())))
    }

    #[test]
    fn conditions_meet_and_alternatives_widen() {
        let time = || col("time");
        let within = [time().gt_eq(at(10)), at(20).gt(time()), col("pid").eq(lit(7))];
        assert_eq!(Window::of(&within), Window { from: Some(10), to: Some(19) });
        let either = time().eq(at(5)).or(time().between(at(30), at(40)));
        assert_eq!(Window::of(&[either]), Window { from: Some(5), to: Some(40) });
        let open = time().gt(at(5)).or(col("pid").eq(lit(7)));
        assert_eq!(Window::of(&[open]), Window::default());
    }

    #[test]
    fn ends_belong_to_a_window() {
        let window = Window { from: Some(10), to: Some(20) };
        assert!(window.touches(20, 30) && window.touches(0, 10) && window.touches(12, 13));
        assert!(!window.touches(21, 30) && !window.touches(0, 9));
        assert!(Window::default().touches(0, 0));
    }
}
