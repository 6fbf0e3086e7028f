//! Examples of the RFC, and what an encoder says of which some is lost.

use proptest::prelude::*;

use super::table::Said;
use super::*;

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn fields_of(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    let mut fields = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let used = decoder.decode(block, |field| {
        fields.push(match field {
            Field::Known(name, value) => format!("{}={}", text(name), text(value)),
            Field::Believed(name, value) => format!("{}={}?", text(name), text(value)),
            Field::Hole => "?".to_owned(),
        });
    });
    assert_eq!(used, Ok(block.len()));
    fields
}

fn all() -> Decoder {
    Decoder::new(|_| true)
}

const REQUESTS: [(&str, &[&str]); 3] = [
    (
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        &[":method=GET", ":scheme=http", ":path=/", ":authority=www.example.com"],
    ),
    (
        "828684be5886a8eb10649cbf",
        &[
            ":method=GET",
            ":scheme=http",
            ":path=/",
            ":authority=www.example.com",
            "cache-control=no-cache",
        ],
    ),
    (
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        &[
            ":method=GET",
            ":scheme=https",
            ":path=/index.html",
            ":authority=www.example.com",
            "custom-key=custom-value",
        ],
    ),
];

/// RFC 7541, C.4.
#[test]
fn requests_that_follow_each_other() {
    let mut decoder = all();
    for (block, expected) in REQUESTS {
        assert_eq!(fields_of(&mut decoder, &hex(block)), expected);
    }
}

/// RFC 7541, C.5: a table of 256 bytes, in which fields are evicted.
#[test]
fn responses_with_a_small_table() {
    let mut decoder = all();
    decoder.table.resize(256);
    let blocks = [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120\
         474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738\
         666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d33\
         3630303b2076657273696f6e3d31",
    ];
    let said: Vec<_> =
        blocks.iter().map(|block| fields_of(&mut decoder, &hex(block)).join("|")).collect();
    let date = "date=Mon, 21 Oct 2013 20:13:21 GMT|location=https://www.example.com";
    assert_eq!(said[0], format!(":status=302|cache-control=private|{date}"));
    assert_eq!(said[1], format!(":status=307|cache-control=private|{date}"));
    assert!(
        said[2].starts_with(":status=200|cache-control=private|date=Mon, 21 Oct 2013 20:13:22")
    );
    assert!(said[2].ends_with(
        "|content-encoding=gzip|set-cookie=foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
    ));
    assert_eq!(decoder.table.get(65), Said::Hole);
}

/// What was said before is holes; what is said from then on is right.
#[test]
fn a_past_that_was_not_seen() {
    let mut decoder = all();
    let second = fields_of(&mut decoder, &hex(REQUESTS[1].0));
    assert_eq!(second[3..], ["?", "cache-control=no-cache"]);
    let third = fields_of(&mut decoder, &hex(REQUESTS[2].0));
    assert_eq!(third[3..], ["?", "custom-key=custom-value"]);
    assert_eq!(
        fields_of(&mut decoder, &[0xbe, 0xbf, 0xc0]),
        ["custom-key=custom-value", "cache-control=no-cache", "?"]
    );
    // A name that was not seen still takes its place.
    assert_eq!(
        fields_of(&mut decoder, b"\x7f\x05\x01x\xbe\xbf"),
        ["?", "?", "custom-key=custom-value"]
    );
    decoder.forget();
    assert_eq!(fields_of(&mut decoder, &[0xbf]), ["?"]);
}

#[test]
fn all_forms_of_literals() {
    let mut decoder = all();
    let said =
        fields_of(&mut decoder, b"\x04\x02/a\x14\x02/b\x44\x02/c\x00\x01k\x01v\x10\x01s\x01t\xbe");
    assert_eq!(said, [":path=/a", ":path=/b", ":path=/c", "k=v", "s=t", ":path=/c"]);
}

#[test]
fn what_is_not_wanted_keeps_its_place() {
    let mut decoder = Decoder::new(|name| name == b":path");
    assert_eq!(
        fields_of(&mut decoder, b"\x44\x02/a\x40\x06cookie\x03abc\x44\x02/b"),
        [":path=/a", ":path=/b"]
    );
    // By number, and with its name by number.
    assert_eq!(fields_of(&mut decoder, b"\xbf\xc0\x7f\x00\x01x\xc1"), [":path=/a", ":path=/a"]);
    assert!(decoder.held() < 400);
}

#[test]
fn a_block_that_is_cut_anywhere() {
    let block = hex(REQUESTS[0].0);
    for end in 0..block.len() {
        let mut decoder = all();
        let mut count = 0;
        let used = decoder.decode(&block[..end], |_| count += 1).unwrap();
        assert_eq!((used, count), (end.min(3), end.min(3)));
        let cut = decoder.cut(&block[used..end]);
        let host = cut.map(|(name, value)| {
            assert_eq!(&*name, b":authority");
            assert!(b"www.example.com".starts_with(&value));
            value.len()
        });
        assert_eq!(host.is_some(), end > 4);
    }
}

#[test]
fn what_is_no_field() {
    for block in [
        &b"\x80"[..],
        b"\xff\xff\xff\xff\xff\xff\x7f",
        b"\x44\x7f\xff\xff\xff\x7f",
        b"\x44\x81\x00",
    ] {
        assert_eq!(all().decode(block, |_| {}), Err(Broken), "{block:?}");
    }
}

/// An encoder of its own, as simple as it can be.
#[derive(Default)]
struct Encoder {
    said: Vec<(String, String)>,
    most: usize,
}

impl Encoder {
    /// Says fields by number where it can; `form` chooses among the forms of those it cannot.
    fn block(&mut self, fields: &[(String, String)], forms: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        for ((name, value), form) in fields.iter().zip(forms.iter().cycle()) {
            let whole = self.said.iter().position(|(n, v)| n == name && v == value);
            let named = self.said.iter().position(|(n, _)| n == name);
            if let (Some(at), true) = (whole, form % 5 > 0) {
                number(&mut block, 0x80, 7, 62 + at);
                continue;
            }
            let (first, prefix) = [(0x40, 6), (0x40, 6), (0, 4), (0x10, 4)][usize::from(form % 4)];
            match named.filter(|_| form % 3 > 0) {
                Some(at) => number(&mut block, first, prefix, 62 + at),
                None => {
                    block.push(first);
                    text(&mut block, name);
                }
            }
            text(&mut block, value);
            if first == 0x40 {
                self.said.insert(0, (name.clone(), value.clone()));
                self.shrink();
            }
        }
        block
    }

    fn resize(&mut self, most: usize) -> Vec<u8> {
        self.most = most;
        self.shrink();
        let mut block = Vec::new();
        number(&mut block, 0x20, 5, most);
        block
    }

    fn shrink(&mut self) {
        let size = |said: &[(String, String)]| -> usize {
            said.iter().map(|(name, value)| 32 + name.len() + value.len()).sum()
        };
        while size(&self.said) > self.most {
            self.said.pop();
        }
    }
}

fn number(block: &mut Vec<u8>, first: u8, prefix: u32, number: usize) {
    let full = (1 << prefix) - 1;
    if number < full {
        block.push(first | number as u8);
        return;
    }
    block.push(first | full as u8);
    let mut rest = number - full;
    while rest >= 128 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

fn text(block: &mut Vec<u8>, text: &str) {
    number(block, 0, 7, text.len());
    block.extend(text.as_bytes());
}

/// What one block says, how, and what becomes of it: its table's new size, and whether it is lost.
type SaidBlock = (Vec<(String, String)>, Vec<u8>, Option<usize>, bool);

fn blocks() -> impl Strategy<Value = Vec<SaidBlock>> {
    let field = ("[a-d]", "[a-z]{0,40}").prop_map(|(name, value)| {
        // Values that are said again are what numbers are for.
        let value = if value.len() > 20 { value } else { value.chars().take(1).collect() };
        (format!("x-{name}"), value)
    });
    let fields = prop::collection::vec(field, 0..6);
    let forms = prop::collection::vec(any::<u8>(), 1..8);
    let size = prop_oneof![6 => Just(None), 1 => (0usize..600).prop_map(Some)];
    prop::collection::vec((fields, forms, size, prop::bool::weighted(0.15)), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is lost: a field is right, or a hole. Where nothing is, there are no holes.
    #[test]
    fn what_is_known_is_right(said in blocks(), loses in any::<bool>()) {
        let mut encoder = Encoder { most: 4096, ..Encoder::default() };
        let mut decoder = all();
        for (fields, forms, size, lost) in said {
            let mut block = size.map(|size| encoder.resize(size)).unwrap_or_default();
            block.extend(encoder.block(&fields, &forms));
            if lost && loses {
                decoder.forget();
                continue;
            }
            let mut told = Vec::new();
            let used = decoder.decode(&block, |field| told.push(match field {
                Field::Known(name, value) | Field::Believed(name, value) => Some((name.to_vec(), value.to_vec())),
                Field::Hole => None,
            }));
            prop_assert_eq!(used, Ok(block.len()));
            prop_assert_eq!(told.len(), fields.len());
            for (told, (name, value)) in told.into_iter().zip(fields) {
                prop_assert!(loses || told.is_some());
                if let Some(told) = told {
                    prop_assert_eq!(told, (name.into_bytes(), value.into_bytes()));
                }
            }
        }
    }

    /// A block in pieces gives the same, as long as what is not used is shown again.
    #[test]
    fn pieces_give_the_same(said in blocks(), cut in any::<prop::sample::Index>()) {
        let mut encoder = Encoder { most: 4096, ..Encoder::default() };
        let (mut whole, mut pieces) = (all(), all());
        for (fields, forms, ..) in said {
            let block = encoder.block(&fields, &forms);
            let expected = fields_of(&mut whole, &block);
            let mut told = Vec::new();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let end = cut.index(block.len() + 1);
            let mut from = 0;
            for end in [end, block.len()] {
                from += pieces.decode(&block[from..end], |field| told.push(match field {
                    Field::Known(name, value) => format!("{}={}", text(name), text(value)),
                    Field::Believed(name, value) => format!("{}={}?", text(name), text(value)),
            Field::Hole => "?".to_owned(),
                })).unwrap();
            }
            prop_assert_eq!((from, told), (block.len(), expected));
        }
    }
}

/// xorshift: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % most
    }
}

/// How many fields were believed rightly, and wrongly, and not known, where blocks are lost.
#[derive(Debug, Default)]
struct Tally {
    right: usize,
    wrong: usize,
    holes: usize,
}

/// Says `fields` behind what everybody knows, many times, of which some is lost.
fn tally(
    table: usize,
    known: &[&[u8]],
    mut fields: impl FnMut(&mut Dice, usize) -> Vec<(String, String)>,
) -> Tally {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut tally = Tally::default();
    for _ in 0..100 {
        let mut encoder = Encoder { most: table, ..Encoder::default() };
        let mut decoder = all();
        decoder.table.resize(table as u64);
        let mut lost = 0;
        for turn in 0..80 {
            let fields = fields(&mut dice, turn);
            let mut block = known[turn % known.len()].to_vec();
            let before = block.len();
            block.extend(encoder.block(&fields, &[1]));
            if lost == 0 && turn > 5 && dice.below(12) == 0 {
                lost = 1 + dice.below(8);
                decoder.forget();
            }
            if lost > 0 {
                lost -= 1;
                continue;
            }
            let mut told = Vec::new();
            decoder.begin(&block);
            let used = decoder.decode(&block, |field| {
                told.push(match field {
                    Field::Known(name, value) => Some((true, name.to_vec(), value.to_vec())),
                    Field::Believed(name, value) => Some((false, name.to_vec(), value.to_vec())),
                    Field::Hole => None,
                })
            });
            assert_eq!((used, told.len()), (Ok(block.len()), before + fields.len()));
            for (told, (name, value)) in told.into_iter().skip(before).zip(fields) {
                match told {
                    Some((sure, n, v)) => {
                        let same = (n, v) == (name.into_bytes(), value.into_bytes());
                        assert!(same || !sure);
                        tally.right += usize::from(same && !sure);
                        tally.wrong += usize::from(!same);
                    }
                    None => tally.holes += 1,
                }
            }
        }
    }
    tally
}

fn field(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// Clients with few methods and with many, with headers that change and with those that stay.
#[test]
fn what_is_believed_of_requests() {
    for (methods, others, table) in [1, 3, 10, 100_000]
        .into_iter()
        .flat_map(|methods| [(methods, 1), (methods, 4), (methods, 1000)])
        .flat_map(|(methods, others)| [512, 1024, 4096].map(|table| (methods, others, table)))
    {
        let tally = tally(table, &[b"\x83\x86"], |dice, _| {
            let mut fields = vec![
                field(":path", format!("/shop.Orders/Method{}", dice.below(methods))),
                field(":authority", "orders.shop.svc:50051"),
                field("content-type", "application/grpc"),
                field("user-agent", "grpc-go/1.71.0"),
                field("te", "trailers"),
            ];
            // Some headers are there only sometimes.
            if dice.below(2) == 0 {
                fields.push(field("x-other", format!("value {}", dice.below(others))));
            }
            fields
        });
        assert_eq!(tally.wrong, 0, "{methods} {others} {table} {tally:?}");
        if methods <= 3 && others <= 4 && table == 4096 {
            assert!(tally.right > 10 * tally.holes, "{methods} {others} {table} {tally:?}");
        }
    }
}

/// Servers of gRPC whose statuses and messages are said by numbers, too.
#[test]
fn what_is_believed_of_responses() {
    for (statuses, messages) in [(1, 1), (3, 3), (17, 50), (17, 100_000)] {
        let tally = tally(4096, &[b"\x88", b""], |dice, turn| match turn % 2 {
            0 => vec![field("content-type", "application/grpc")],
            _ => vec![
                field("grpc-status", dice.below(statuses).to_string()),
                field("grpc-message", format!("message {}", dice.below(messages))),
            ],
        });
        assert_eq!(tally.wrong, 0, "{statuses} {messages} {tally:?}");
        if statuses == 1 {
            assert!(tally.right > 10 * tally.holes, "{tally:?}");
        }
    }
}
