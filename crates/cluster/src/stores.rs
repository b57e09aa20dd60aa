//! The stores that DataFusion reads tables from: those that `dateline batch` knows, opened with the credentials of this
//! process's environment when a query names one.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use dateline_batch::Stores;
use object_store::ObjectStore;
use url::Url;

/// A registry that opens what it does not have.
#[derive(Debug)]
pub(crate) struct OpenStores {
    stores: Stores,
    registered: DefaultObjectStoreRegistry,
}

impl OpenStores {
    /// With the credentials of this process's environment.
    pub(crate) fn of_this_process() -> Self {
        Self { stores: Stores::of_this_process(), registered: DefaultObjectStoreRegistry::new() }
    }
}

impl ObjectStoreRegistry for OpenStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.registered.register_store(url, store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if let Ok(store) = self.registered.get_store(url) {
            return Ok(store);
        }
        let place = self.stores.locate(url.as_str()).map_err(|error| DataFusionError::External(error.into()))?;
        Ok(place.store)
    }
}

/// An environment that reads from any known store, and keeps what does not fit into memory in `folder`, if one is given.
pub(crate) fn environment(folder: Option<&str>) -> Result<Arc<RuntimeEnv>> {
    let builder = RuntimeEnvBuilder::new().with_object_store_registry(Arc::new(OpenStores::of_this_process()));
    match folder {
        Some(folder) => builder.with_temp_file_path(folder).build_arc(),
        None => builder.build_arc(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_opened_when_they_are_named() {
        let stores = OpenStores::of_this_process();
        assert!(stores.get_store(&Url::parse("file:///tmp").unwrap()).is_ok());
        let bucket = Url::parse("s3://news/").unwrap();
        assert!(Arc::ptr_eq(&stores.get_store(&bucket).unwrap(), &stores.get_store(&bucket).unwrap()));
        let error = stores.get_store(&Url::parse("ftp://host/").unwrap()).unwrap_err().to_string();
        assert!(error.contains("s3://"), "{error}");
    }
}
