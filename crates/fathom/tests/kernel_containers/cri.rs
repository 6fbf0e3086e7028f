//! The part of the container runtime interface that makes pods; Fathom itself only ever reads.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// A connection to a runtime.
pub(super) struct Client {
    runtime: Runtime,
    channel: Channel,
}

/// What a pod is to be.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PodConfig {
    #[prost(message, optional, tag = "1")]
    pub(super) metadata: Option<PodMetadata>,
    #[prost(message, optional, tag = "4")]
    pub(super) dns: Option<Dns>,
    #[prost(map = "string, string", tag = "6")]
    pub(super) labels: HashMap<String, String>,
    #[prost(message, optional, tag = "8")]
    pub(super) linux: Option<PodLinux>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PodMetadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) uid: String,
    #[prost(string, tag = "3")]
    pub(super) namespace: String,
}

/// Given, so that the runtime does not look for the machine's own.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Dns {
    #[prost(string, repeated, tag = "1")]
    pub(super) servers: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PodLinux {
    #[prost(string, tag = "1")]
    pub(super) cgroup_parent: String,
    #[prost(message, optional, tag = "2")]
    pub(super) security: Option<PodSecurity>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PodSecurity {
    #[prost(message, optional, tag = "1")]
    pub(super) namespaces: Option<Namespaces>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Namespaces {
    /// 2 is the node's own.
    #[prost(int32, tag = "1")]
    pub(super) network: i32,
}

/// What a container is to be.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    pub(super) metadata: Option<Named>,
    #[prost(message, optional, tag = "2")]
    pub(super) image: Option<Named>,
    #[prost(string, repeated, tag = "3")]
    pub(super) command: Vec<String>,
    #[prost(map = "string, string", tag = "9")]
    pub(super) labels: HashMap<String, String>,
}

/// Every message whose first field is a text: a name, an image, an id.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Named {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RunPod {
    #[prost(message, optional, tag = "1")]
    config: Option<PodConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CreateContainer {
    #[prost(string, tag = "1")]
    pod: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    pod_config: Option<PodConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Exec {
    #[prost(string, tag = "1")]
    container: String,
    #[prost(string, repeated, tag = "2")]
    command: Vec<String>,
    #[prost(int64, tag = "3")]
    seconds: i64,
}

/// What a command in a container printed, and its exit code.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Executed {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) stdout: Vec<u8>,
    #[prost(int32, tag = "3")]
    pub(super) exit_code: i32,
}

/// Asks for an image, and answers with one where it is there.
#[derive(Clone, PartialEq, prost::Message)]
struct MayBe {
    #[prost(message, optional, tag = "1")]
    image: Option<Named>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}

impl Client {
    /// Connects; fails while nobody listens.
    pub(super) fn connect(socket: &Path) -> Result<Client> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))?;
        let channel = runtime.block_on(endpoint.connect())?;
        let client = Client { runtime, channel };
        client.ask::<Nothing, Nothing>("RuntimeService/Version", Nothing {})?;
        Ok(client)
    }

    /// Whether the image is there.
    pub(super) fn has_image(&self, image: &str) -> Result<bool> {
        let asked = MayBe { image: Some(Named { name: image.into() }) };
        Ok(self.ask::<_, MayBe>("ImageService/ImageStatus", asked)?.image.is_some())
    }

    /// Makes a pod; gives the id of its sandbox.
    pub(super) fn run_pod(&self, config: &PodConfig) -> Result<String> {
        let asked = RunPod { config: Some(config.clone()) };
        Ok(self.ask::<_, Named>("RuntimeService/RunPodSandbox", asked)?.name)
    }

    /// Makes a container; gives its id.
    pub(super) fn create(
        &self,
        pod: &str,
        of: &PodConfig,
        config: ContainerConfig,
    ) -> Result<String> {
        let (config, pod_config) = (Some(config), Some(of.clone()));
        let asked = CreateContainer { pod: pod.into(), config, pod_config };
        Ok(self.ask::<_, Named>("RuntimeService/CreateContainer", asked)?.name)
    }

    /// Starts a container.
    pub(super) fn start(&self, container: &str) -> Result<()> {
        let asked = Named { name: container.into() };
        self.ask::<_, Nothing>("RuntimeService/StartContainer", asked).map(drop)
    }

    /// Runs a command in a container.
    pub(super) fn exec(&self, container: &str, command: &[&str]) -> Result<Executed> {
        let command = command.iter().map(ToString::to_string).collect();
        let asked = Exec { container: container.into(), command, seconds: 120 };
        self.ask("RuntimeService/ExecSync", asked)
    }

    /// Ends a pod with all that is in it.
    pub(super) fn remove_pod(&self, pod: &str) -> Result<()> {
        let asked = || Named { name: pod.into() };
        self.ask::<_, Nothing>("RuntimeService/StopPodSandbox", asked())?;
        self.ask::<_, Nothing>("RuntimeService/RemovePodSandbox", asked()).map(drop)
    }

    fn ask<Q, A>(&self, call: &str, asked: Q) -> Result<A>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let path = PathAndQuery::try_from(format!("/runtime.v1.{call}"))?;
        let answer = self.runtime.block_on(async {
            let mut channel = Grpc::new(self.channel.clone());
            channel.ready().await?;
            let asked = tonic::Request::new(asked);
            anyhow::Ok(channel.unary(asked, path, ProstCodec::<Q, A>::default()).await?)
        });
        Ok(answer.with_context(|| call.to_string())?.into_inner())
    }
}
