//! What may be asked of a broker: names, versions, and where in a message stands what is kept.
//!
//! A layout goes only as far as something is kept; what stands behind is passed over by the
//! message's length.

use super::layout::Field;
use super::layout::What::{Acks, Data, Error, Group, Items, Key, List, Skip, Text, Topic, TopicId};

/// Something that may be asked.
#[derive(Debug)]
pub(super) struct Api {
    /// As Kafka names it.
    pub name: &'static str,
    /// From this version on texts and lists are compact and structures have tagged fields.
    pub flexible: i16,
    /// The newest version whose layout is known.
    pub newest: i16,
    pub request: &'static [Field],
    pub response: &'static [Field],
}

/// SaslHandshake: after version 0 of it, what is said is not Kafka until SASL is over.
pub(super) const SASL_HANDSHAKE: i16 = 17;

/// ApiVersions: its response has the oldest header, whatever its version.
pub(super) const API_VERSIONS: i16 = 18;

/// Metadata: its response says which topic has which id.
pub(super) const METADATA: i16 = 3;

/// Nothing is flexible.
const NEVER: i16 = i16::MAX;

/// By its number.
pub(super) fn api(key: i16) -> Option<&'static Api> {
    APIS.get(usize::try_from(key).ok()?)
}

const fn all(what: super::layout::What) -> Field {
    Field { since: 0, until: i16::MAX, what }
}

const fn since(since: i16, what: super::layout::What) -> Field {
    Field { since, until: i16::MAX, what }
}

const fn until(until: i16, what: super::layout::What) -> Field {
    Field { since: 0, until, what }
}

const fn from_to(since: i16, until: i16, what: super::layout::What) -> Field {
    Field { since, until, what }
}

const fn plain(name: &'static str, flexible: i16, newest: i16) -> Api {
    Api { name, flexible, newest, request: &[], response: &[] }
}

const fn read(
    name: &'static str,
    flexible: i16,
    newest: i16,
    request: &'static [Field],
    response: &'static [Field],
) -> Api {
    Api { name, flexible, newest, request, response }
}

/// An error behind the time for which the client is throttled, said from this version on.
const ERROR: &[Field] = &[all(Error)];
const THROTTLED: &[Field] = &[all(Skip(4)), all(Error)];
const THROTTLED_1: &[Field] = &[since(1, Skip(4)), all(Error)];
const THROTTLED_2: &[Field] = &[since(2, Skip(4)), all(Error)];

/// Topics and nothing of their partitions.
const TOPICS: &[Field] = &[all(Topic)];
const TOPIC_ERRORS: &[Field] = &[all(Topic), all(List(&[all(Skip(4)), all(Error)]))];
const GROUP: &[Field] = &[all(Group)];
const KEY: &[Field] = &[all(Key)];

const FETCHED: &[Field] = &[
    all(Skip(4)),
    since(9, Skip(4)),
    all(Skip(8)),
    since(12, Skip(4)),
    since(5, Skip(8)),
    all(Skip(4)),
];

const FETCHES: &[Field] = &[
    until(14, Skip(4)),
    all(Skip(8)),
    since(3, Skip(4)),
    since(4, Skip(1)),
    since(7, Skip(8)),
    all(List(&[until(12, Topic), since(13, TopicId), all(List(FETCHED))])),
];

const FETCH_ANSWER: &[Field] = &[
    since(1, Skip(4)),
    since(7, Error),
    since(7, Skip(4)),
    all(List(&[
        until(12, Topic),
        since(13, TopicId),
        all(List(&[
            all(Skip(4)),
            all(Error),
            all(Skip(8)),
            since(4, Skip(8)),
            since(5, Skip(8)),
            since(4, List(&[all(Skip(16))])),
            since(11, Skip(4)),
            all(Data),
        ])),
    ])),
];

const PRODUCE: &[Field] = &[
    since(3, Text),
    all(Acks),
    all(Skip(4)),
    all(List(&[until(12, Topic), since(13, TopicId), all(List(&[all(Skip(4)), all(Data)]))])),
];

const PRODUCED: &[Field] = &[all(List(&[
    until(12, Topic),
    since(13, TopicId),
    all(List(&[
        all(Skip(4)),
        all(Error),
        all(Skip(8)),
        since(2, Skip(8)),
        since(5, Skip(8)),
        since(8, List(&[all(Skip(4)), all(Text)])),
        since(8, Text),
    ])),
]))];

const OFFSETS_OF: &[Field] = &[
    all(Skip(4)),
    since(2, Skip(1)),
    all(List(&[
        all(Topic),
        all(List(&[all(Skip(4)), since(4, Skip(4)), all(Skip(8)), until(0, Skip(4))])),
    ])),
];

const METADATA_OF: &[Field] = &[all(List(&[since(10, TopicId), all(Topic)]))];

const METADATA_SAID: &[Field] = &[
    since(3, Skip(4)),
    all(List(&[all(Skip(4)), all(Text), all(Skip(4)), since(1, Text)])),
    since(2, Text),
    since(1, Skip(4)),
    all(List(&[
        all(Error),
        all(Topic),
        since(10, TopicId),
        since(1, Skip(1)),
        all(List(&[
            all(Skip(10)),
            since(7, Skip(4)),
            all(Items(&[all(Skip(4))])),
            all(Items(&[all(Skip(4))])),
            since(5, Items(&[all(Skip(4))])),
        ])),
        since(8, Skip(4)),
    ])),
];

const COMMITS: &[Field] = &[
    all(Group),
    since(1, Skip(4)),
    since(1, Text),
    since(7, Text),
    from_to(2, 4, Skip(8)),
    all(List(&[
        until(9, Topic),
        since(10, TopicId),
        all(List(&[all(Skip(12)), since(6, Skip(4)), from_to(1, 1, Skip(8)), all(Text)])),
    ])),
];

const COMMITTED: &[Field] = &[
    since(3, Skip(4)),
    all(List(&[until(9, Topic), since(10, TopicId), all(List(&[all(Skip(4)), all(Error)]))])),
];

const ASKS_OFFSETS: &[Field] = &[
    until(7, Group),
    until(7, List(&[all(Topic), all(Items(&[all(Skip(4))]))])),
    since(
        8,
        List(&[
            all(Group),
            since(9, Text),
            since(9, Skip(4)),
            all(List(&[until(9, Topic), since(10, TopicId), all(Items(&[all(Skip(4))]))])),
        ]),
    ),
];

const OFFSETS_SAID: &[Field] = &[
    since(3, Skip(4)),
    until(
        7,
        List(&[all(Topic), all(List(&[all(Skip(12)), since(5, Skip(4)), all(Text), all(Error)]))]),
    ),
    from_to(2, 7, Error),
    since(
        8,
        List(&[
            all(Group),
            all(List(&[
                until(9, Topic),
                since(10, TopicId),
                all(List(&[all(Skip(16)), all(Text), all(Error)])),
            ])),
            all(Error),
        ]),
    ),
];

const COORDINATOR_OF: &[Field] = &[until(3, Key), since(1, Skip(1)), since(4, Items(KEY))];

const COORDINATOR: &[Field] = &[
    since(1, Skip(4)),
    until(3, Error),
    since(4, List(&[all(Text), all(Skip(4)), all(Text), all(Skip(4)), all(Error)])),
];

const CREATES: &[Field] = &[all(List(&[
    all(Topic),
    all(Skip(6)),
    all(List(&[all(Skip(4)), all(Items(&[all(Skip(4))]))])),
    all(List(&[all(Text), all(Text)])),
]))];

const CREATED: &[Field] =
    &[since(2, Skip(4)), all(List(&[all(Topic), since(7, TopicId), all(Error)]))];

const DELETES: &[Field] = &[until(5, Items(TOPICS)), since(6, List(&[all(Topic), all(TopicId)]))];

const DELETED: &[Field] =
    &[since(1, Skip(4)), all(List(&[all(Topic), since(6, TopicId), all(Error)]))];

const IN_TRANSACTION: &[Field] = &[all(Key), all(Skip(10))];

const ADDS_PARTITIONS: &[Field] = &[
    until(3, Key),
    until(3, Skip(10)),
    until(3, List(&[all(Topic), all(Items(&[all(Skip(4))]))])),
    since(
        4,
        List(&[all(Key), all(Skip(11)), all(List(&[all(Topic), all(Items(&[all(Skip(4))]))]))]),
    ),
];

const ADDED_PARTITIONS: &[Field] = &[all(Skip(4)), since(4, Error), until(3, List(TOPIC_ERRORS))];

const COMMITS_IN_TRANSACTION: &[Field] = &[
    all(Text),
    all(Group),
    all(Skip(10)),
    since(3, Skip(4)),
    since(3, Text),
    since(3, Text),
    all(List(&[all(Topic), all(List(&[all(Skip(12)), since(2, Skip(4)), all(Text)]))])),
];

const CONFIGURED: &[Field] = &[all(List(&[all(Skip(1)), all(Key)]))];

/// The numbers are the places in this list.
static APIS: [Api; 93] = [
    read("Produce", 9, 13, PRODUCE, PRODUCED),
    read("Fetch", 12, 18, FETCHES, FETCH_ANSWER),
    read("ListOffsets", 6, 11, OFFSETS_OF, &[since(2, Skip(4)), all(List(TOPIC_ERRORS))]),
    read("Metadata", 9, 13, METADATA_OF, METADATA_SAID),
    plain("LeaderAndIsr", 4, 7),
    plain("StopReplica", 2, 4),
    plain("UpdateMetadata", 6, 8),
    read("ControlledShutdown", 3, 3, &[], ERROR),
    read("OffsetCommit", 8, 10, COMMITS, COMMITTED),
    read("OffsetFetch", 6, 10, ASKS_OFFSETS, OFFSETS_SAID),
    read("FindCoordinator", 3, 6, COORDINATOR_OF, COORDINATOR),
    read("JoinGroup", 6, 9, GROUP, THROTTLED_2),
    read("Heartbeat", 4, 4, GROUP, THROTTLED_1),
    read("LeaveGroup", 4, 5, GROUP, THROTTLED_1),
    read("SyncGroup", 4, 5, GROUP, THROTTLED_1),
    read("DescribeGroups", 5, 6, &[all(Items(GROUP))], &[since(1, Skip(4)), all(List(ERROR))]),
    read("ListGroups", 3, 5, &[], THROTTLED_1),
    read("SaslHandshake", NEVER, 1, KEY, ERROR),
    read("ApiVersions", 3, 4, &[], ERROR),
    read("CreateTopics", 5, 7, CREATES, CREATED),
    read("DeleteTopics", 4, 6, DELETES, DELETED),
    read(
        "DeleteRecords",
        2,
        2,
        &[all(List(&[all(Topic), all(List(&[all(Skip(12))]))]))],
        &[all(Skip(4)), all(List(&[all(Topic), all(List(&[all(Skip(12)), all(Error)]))]))],
    ),
    read("InitProducerId", 2, 6, KEY, THROTTLED),
    read(
        "OffsetForLeaderEpoch",
        4,
        4,
        &[
            since(3, Skip(4)),
            all(List(&[all(Topic), all(List(&[all(Skip(4)), since(2, Skip(4)), all(Skip(4))]))])),
        ],
        &[since(2, Skip(4)), all(List(&[all(Topic), all(List(ERROR))]))],
    ),
    read("AddPartitionsToTxn", 3, 5, ADDS_PARTITIONS, ADDED_PARTITIONS),
    read("AddOffsetsToTxn", 3, 4, IN_TRANSACTION, THROTTLED),
    read("EndTxn", 3, 5, IN_TRANSACTION, THROTTLED),
    plain("WriteTxnMarkers", 1, 1),
    read("TxnOffsetCommit", 3, 5, COMMITS_IN_TRANSACTION, &[all(Skip(4)), all(List(TOPIC_ERRORS))]),
    read("DescribeAcls", 2, 3, &[], THROTTLED),
    read("CreateAcls", 2, 3, &[], &[all(Skip(4)), all(List(ERROR))]),
    read("DeleteAcls", 2, 3, &[], &[all(Skip(4)), all(List(ERROR))]),
    read("DescribeConfigs", 4, 4, CONFIGURED, &[all(Skip(4)), all(List(ERROR))]),
    read("AlterConfigs", 2, 2, CONFIGURED, &[all(Skip(4)), all(List(ERROR))]),
    plain("AlterReplicaLogDirs", 2, 2),
    plain("DescribeLogDirs", 2, 4),
    read("SaslAuthenticate", 2, 2, &[], ERROR),
    read(
        "CreatePartitions",
        2,
        3,
        &[all(List(TOPICS))],
        &[all(Skip(4)), all(List(&[all(Topic), all(Error)]))],
    ),
    read("CreateDelegationToken", 2, 3, &[], ERROR),
    read("RenewDelegationToken", 2, 2, &[], ERROR),
    read("ExpireDelegationToken", 2, 2, &[], ERROR),
    read("DescribeDelegationToken", 2, 3, &[], ERROR),
    read(
        "DeleteGroups",
        2,
        2,
        &[all(Items(GROUP))],
        &[all(Skip(4)), all(List(&[all(Text), all(Error)]))],
    ),
    read("ElectLeaders", 2, 2, &[], &[all(Skip(4)), since(1, Error)]),
    read("IncrementalAlterConfigs", 1, 1, CONFIGURED, &[all(Skip(4)), all(List(ERROR))]),
    read("AlterPartitionReassignments", 0, 0, &[], THROTTLED),
    read("ListPartitionReassignments", 0, 0, &[], THROTTLED),
    read("OffsetDelete", NEVER, 0, GROUP, ERROR),
    read("DescribeClientQuotas", 1, 1, &[], THROTTLED),
    plain("AlterClientQuotas", 1, 1),
    read("DescribeUserScramCredentials", 0, 0, &[], THROTTLED),
    plain("AlterUserScramCredentials", 0, 0),
    read("Vote", 0, 2, &[], ERROR),
    read("BeginQuorumEpoch", 1, 1, &[], ERROR),
    read("EndQuorumEpoch", 1, 1, &[], ERROR),
    read("DescribeQuorum", 0, 2, &[], ERROR),
    read("AlterPartition", 0, 3, &[], THROTTLED),
    read("UpdateFeatures", 0, 2, &[], THROTTLED),
    plain("Envelope", 0, 0),
    read("FetchSnapshot", 0, 1, &[], THROTTLED),
    read("DescribeCluster", 0, 2, &[], THROTTLED),
    plain("DescribeProducers", 0, 0),
    read("BrokerRegistration", 0, 4, &[], THROTTLED),
    read("BrokerHeartbeat", 0, 1, &[], THROTTLED),
    read("UnregisterBroker", 0, 0, &[], THROTTLED),
    plain("DescribeTransactions", 0, 0),
    read("ListTransactions", 0, 2, &[], THROTTLED),
    read("AllocateProducerIds", 0, 0, &[], THROTTLED),
    read("ConsumerGroupHeartbeat", 0, 1, GROUP, THROTTLED),
    read("ConsumerGroupDescribe", 0, 1, &[all(Items(GROUP))], &[all(Skip(4)), all(List(ERROR))]),
    read("ControllerRegistration", 0, 0, &[], THROTTLED),
    read("GetTelemetrySubscriptions", 0, 0, &[], THROTTLED),
    read("PushTelemetry", 0, 0, &[], THROTTLED),
    read("AssignReplicasToDirs", 0, 0, &[], THROTTLED),
    read("ListConfigResources", 0, 1, &[], THROTTLED),
    plain("DescribeTopicPartitions", 0, 0),
    read("ShareGroupHeartbeat", 0, 1, GROUP, THROTTLED),
    read("ShareGroupDescribe", 0, 1, &[all(Items(GROUP))], &[all(Skip(4)), all(List(ERROR))]),
    read("ShareFetch", 0, 1, GROUP, THROTTLED),
    read("ShareAcknowledge", 0, 1, GROUP, THROTTLED),
    read("AddRaftVoter", 0, 0, &[], THROTTLED),
    read("RemoveRaftVoter", 0, 0, &[], THROTTLED),
    read("UpdateRaftVoter", 0, 0, &[], THROTTLED),
    read("InitializeShareGroupState", 0, 0, GROUP, &[]),
    read("ReadShareGroupState", 0, 0, GROUP, &[]),
    read("WriteShareGroupState", 0, 1, GROUP, &[]),
    read("DeleteShareGroupState", 0, 0, GROUP, &[]),
    read("ReadShareGroupStateSummary", 0, 0, GROUP, &[]),
    read("StreamsGroupHeartbeat", 0, 0, GROUP, THROTTLED),
    read("StreamsGroupDescribe", 0, 0, &[all(Items(GROUP))], &[all(Skip(4)), all(List(ERROR))]),
    plain("DescribeShareGroupOffsets", 0, 0),
    plain("AlterShareGroupOffsets", 0, 0),
    plain("DeleteShareGroupOffsets", 0, 0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places() {
        for (key, name) in [
            (0, "Produce"),
            (SASL_HANDSHAKE, "SaslHandshake"),
            (API_VERSIONS, "ApiVersions"),
            (METADATA, "Metadata"),
            (28, "TxnOffsetCommit"),
            (36, "SaslAuthenticate"),
            (47, "OffsetDelete"),
            (60, "DescribeCluster"),
            (68, "ConsumerGroupHeartbeat"),
            (75, "DescribeTopicPartitions"),
            (92, "DeleteShareGroupOffsets"),
        ] {
            assert_eq!(api(key).unwrap().name, name);
        }
        assert!(api(-1).is_none() && api(93).is_none());
    }
}
