//! OTLP, read by OpenTelemetry's own messages.

use flame::otlp::{self, Sender};
use opentelemetry_proto::tonic::collector::profiles::v1development as collector;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::profiles::v1development as profiles;
use prost::Message;

mod made;

#[test]
fn opentelemetry_reads_it() {
    let profile = made::profile();
    let sender =
        Sender { version: "1.2.3".into(), attributes: vec![("host.name".into(), "node-1".into())] };
    let bytes = otlp::request(&profile, &sender);
    let request = collector::ExportProfilesServiceRequest::decode(bytes.as_slice()).unwrap();
    let dictionary = request.dictionary.as_ref().unwrap();
    nothing_is_first(dictionary);

    let pods: Vec<Vec<String>> = request
        .resource_profiles
        .iter()
        .map(|of| of.resource.as_ref().unwrap().attributes.iter().map(said).collect())
        .collect();
    let pod = |name: &str| {
        ["host.name=node-1", "k8s.container.name=main", "k8s.namespace.name=shop", name]
            .map(String::from)
            .to_vec()
    };
    assert_eq!(pods, [pod("k8s.pod.name=engine-7"), pod("k8s.pod.name=web-1")]);

    let engine = &request.resource_profiles[0].scope_profiles[0];
    assert_eq!(engine.scope.as_ref().unwrap().name, "fathom");
    let types: Vec<(&str, i64, u64, i64)> = engine
        .profiles
        .iter()
        .map(|of| {
            let sum = of.samples.iter().flat_map(|sample| &sample.values).sum();
            let kind = of.sample_type.unwrap().type_strindex;
            (text(dictionary, kind), sum, of.time_unix_nano, of.period)
        })
        .collect();
    let expected = [
        ("samples", 27, profile.about.begin, 10_101_010),
        ("cpu", 252_525_250, profile.about.begin, 10_101_010),
        ("off_cpu", 700_000_000, profile.about.begin, 0),
    ];
    assert_eq!(types, expected);

    let inlined = engine.profiles[1].samples.iter().find(|sample| sample.values == [202_020_200]);
    let inlined = inlined.unwrap();
    assert_eq!(
        stack(dictionary, inlined),
        ["multiply:12 step:21 Engine::solve<double>(int):40 engine 0x2440", "main:0 engine 0x2000"]
    );
    let attributes: Vec<String> =
        inlined.attribute_indices.iter().map(|&at| attribute(dictionary, at)).collect();
    assert_eq!(attributes, ["process.executable.name=engine", "process.pid=200", "thread.id=201"]);
    assert!(engine.profiles.iter().flat_map(|of| &of.samples).all(|of| of.link_index == 0));

    let libc = dictionary.mapping_table.iter().find(|mapping| {
        text(dictionary, mapping.filename_strindex) == "/usr/lib/x86_64-linux-gnu/libc.so.6"
    });
    let build_id = attribute(dictionary, libc.unwrap().attribute_indices[0]);
    assert_eq!(build_id, "process.executable.build_id.gnu=fc1f6d1a4b5c");
}

#[test]
fn nothing_is_a_request_too() {
    let bytes = otlp::request(&flame::Profile::default(), &Sender::default());
    let request = collector::ExportProfilesServiceRequest::decode(bytes.as_slice()).unwrap();
    assert!(request.resource_profiles.is_empty());
    nothing_is_first(&request.dictionary.unwrap());
}

/// Every table begins with its zero value, and no index points past its table.
fn nothing_is_first(dictionary: &profiles::ProfilesDictionary) {
    assert_eq!(dictionary.string_table[0], "");
    assert_eq!(dictionary.mapping_table[0], profiles::Mapping::default());
    assert_eq!(dictionary.location_table[0], profiles::Location::default());
    assert_eq!(dictionary.function_table[0], profiles::Function::default());
    assert_eq!(dictionary.link_table, [profiles::Link::default()]);
    assert_eq!(dictionary.attribute_table[0], profiles::KeyValueAndUnit::default());
    assert_eq!(dictionary.stack_table[0], profiles::Stack::default());
}

fn stack(dictionary: &profiles::ProfilesDictionary, sample: &profiles::Sample) -> Vec<String> {
    let stack = &dictionary.stack_table[sample.stack_index as usize];
    let locations = stack.location_indices.iter();
    let locations = locations.map(|&at| &dictionary.location_table[at as usize]);
    locations
        .map(|location| {
            let mut words: Vec<String> = location
                .lines
                .iter()
                .map(|line| {
                    let function = &dictionary.function_table[line.function_index as usize];
                    format!("{}:{}", text(dictionary, function.name_strindex), line.line)
                })
                .collect();
            let mapping = &dictionary.mapping_table[location.mapping_index as usize];
            words.push(text(dictionary, mapping.filename_strindex).into());
            words.push(format!("{:#x}", location.address));
            words.join(" ")
        })
        .collect()
}

fn attribute(dictionary: &profiles::ProfilesDictionary, at: i32) -> String {
    let attribute = &dictionary.attribute_table[at as usize];
    let value = attribute.value.as_ref().unwrap().value.as_ref().unwrap();
    format!("{}={}", text(dictionary, attribute.key_strindex), plain(value))
}

fn said(attribute: &opentelemetry_proto::tonic::common::v1::KeyValue) -> String {
    let value = attribute.value.as_ref().unwrap().value.as_ref().unwrap();
    format!("{}={}", attribute.key, plain(value))
}

fn plain(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn text(dictionary: &profiles::ProfilesDictionary, at: i32) -> &str {
    &dictionary.string_table[at as usize]
}
