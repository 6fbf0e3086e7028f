//! `ip_in`: whether an address is in one of some networks.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::cast::as_string_view_array;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::{constant, texts, wrong};

/// `ip_in(ip, network, …)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct IpIn {
    signature: Signature,
}

/// A network, IPv4 as it is mapped into IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    bits: u128,
    mask: u128,
}

impl IpIn {
    pub(super) fn new() -> IpIn {
        IpIn { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for IpIn {
    fn name(&self) -> &str {
        "ip_in"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.len() < 2 {
            return Err(wrong(
                "ip_in takes an address and networks: ip_in(peer_ip, '10.0.0.0/8')".into(),
            ));
        }
        let text = |it: &DataType| it.is_string() || it.is_null();
        match types.iter().find(|it| !text(it)) {
            Some(other) => Err(wrong(format!("ip_in takes text, not {other}"))),
            // As they are, so that constants can be seen before anything is read.
            None => Ok(types.to_vec()),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        // A network that is none shows before anything is read.
        let known = args.scalar_arguments[1..].iter().flatten();
        networks(&known.map(|value| Some(*value)).collect::<Vec<_>>())?;
        Ok(Arc::new(Field::new(self.name(), DataType::Boolean, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = args.args[1..].iter().map(|value| match value {
            ColumnarValue::Scalar(value) => Some(value),
            ColumnarValue::Array(_) => None,
        });
        let networks = networks(&constants.collect::<Vec<_>>())?;
        let ips = texts(&args.args[0], args.number_rows)?;
        let within = |text: &str| {
            let ip = bits(text.parse().ok()?);
            Some(networks.iter().any(|it| ip & it.mask == it.bits))
        };
        // Rows of one connection come together.
        let mut last: Option<(&str, Option<bool>)> = None;
        let found = as_string_view_array(&ips)?.iter().map(|text| {
            let text = text?;
            match last {
                Some((known, answer)) if known == text => answer,
                _ => {
                    let answer = within(text);
                    last = Some((text, answer));
                    answer
                }
            }
        });
        let found: BooleanArray = found.collect();
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

/// The networks of constant arguments; one that is null has nobody in it.
fn networks(values: &[Option<&ScalarValue>]) -> Result<Vec<Network>> {
    let mut networks = Vec::new();
    for value in values {
        let value =
            value.ok_or_else(|| wrong("the networks of ip_in have to be constants".into()))?;
        if let Some(text) = constant(value) {
            networks.push(Network::parse(text).map_err(wrong)?);
        }
    }
    Ok(networks)
}

impl Network {
    /// `10.0.0.0/8`, `fd00::/8`, or one address.
    fn parse(text: &str) -> Result<Network, String> {
        let wrong = || format!("`{text}` is no network; one looks like `10.0.0.0/8` or `fd00::/8`");
        let (ip, length) = match text.trim().split_once('/') {
            Some((ip, length)) => (ip, Some(length)),
            None => (text.trim(), None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let before = if ip.is_ipv4() { 96 } else { 0 };
        let length: u32 = match length {
            Some(length) => length.parse().map_err(|_| wrong())?,
            None => 128 - before,
        };
        if before + length > 128 {
            return Err(wrong());
        }
        let mask = u128::MAX.checked_shl(128 - before - length).unwrap_or(0);
        Ok(Network { bits: bits(ip) & mask, mask })
    }
}

fn bits(ip: IpAddr) -> u128 {
    let v6: Ipv6Addr = match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    v6.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_both_families_hold_their_own() {
        let within = |ip: &str, network: &str| {
            let network = Network::parse(network).unwrap();
            bits(ip.parse().unwrap()) & network.mask == network.bits
        };
        assert!(within("10.1.2.3", "10.0.0.0/8") && !within("11.1.2.3", "10.0.0.0/8"));
        assert!(within("fd12::1", "fd00::/8") && !within("fe80::1", "fd00::/8"));
        assert!(within("10.1.2.3", "10.1.2.3") && !within("10.1.2.4", "10.1.2.3"));
        assert!(within("8.8.8.8", "0.0.0.0/0") && !within("::1", "0.0.0.0/0"));
        assert!(within("::1", "::/0") && within("10.1.2.3", "10.9.9.9/8"));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "x", "fd00::/129", "10.0.0.0/"] {
            assert!(Network::parse(wrong).is_err(), "{wrong}");
        }
    }
}
