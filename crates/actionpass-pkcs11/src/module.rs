//! Modules: each is loaded and initialized once in a process, and every wait for one ends.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use actionpass_custody::bounded;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use crate::PKCS11;
use crate::fault::Fault;

/// A module that is loaded. It stays so: whoever unloads one takes it from everybody else in the process.
#[derive(Debug)]
pub(crate) struct Module {
    context: Pkcs11,
    /// How often it was initialized here. A session of an earlier time has a number that may be another's by now.
    generation: AtomicU64,
    /// Held alone by whoever makes objects, and shared by whoever looks for some.
    objects: RwLock<()>,
}

/// Where a module is, once it is loaded. Each has a lock of its own, so that one that hangs stops no other.
type Place = Arc<Mutex<Option<Arc<Module>>>>;

/// The modules of this process by their path.
static MODULES: Mutex<Option<HashMap<PathBuf, Place>>> = Mutex::new(None);

impl Module {
    /// The module at this path, loaded and initialized. It may hang: to be called [in time](in_time).
    pub(crate) fn load(path: &Path) -> Result<Arc<Self>, Fault> {
        let place = {
            let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
            let modules = modules.get_or_insert_default();
            Arc::clone(modules.entry(path.to_owned()).or_default())
        };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = &*place {
            return Ok(Arc::clone(module));
        }
        let context = Pkcs11::new(path).map_err(|source| match source {
            Error::Pkcs11(..) => source.into(),
            source => Fault::NotLoaded {
                path: path.to_owned(),
                source,
            },
        })?;
        let module = Arc::new(Self {
            context,
            generation: AtomicU64::new(0),
            objects: RwLock::new(()),
        });
        module.initialize()?;
        *place = Some(Arc::clone(&module));
        Ok(module)
    }

    /// Initializes it, if nobody in this process has.
    fn initialize(&self) -> Result<(), Fault> {
        match self
            .context
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
        {
            Ok(()) => {
                self.generation.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The module, initialized again should somebody have finalized it.
    pub(crate) fn revived(&self) -> Result<&Pkcs11, Fault> {
        match self.context.get_library_info() {
            Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => self.initialize()?,
            Err(Error::Pkcs11(code, function)) => return Err(Fault::Answered { code, function }),
            // That it says something strange of itself is no reason not to use it.
            Ok(_) | Err(_) => {}
        }
        Ok(&self.context)
    }

    /// To be held while objects are made.
    ///
    /// A module may do this beside everything else, but SoftHSM 2.6 answers CKR_GENERAL_ERROR where one thread
    /// writes an object and another reads it, and half of a pair is left on the token.
    pub(crate) fn making(&self) -> RwLockWriteGuard<'_, ()> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held while objects are looked for and read.
    pub(crate) fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn context(&self) -> &Pkcs11 {
        &self.context
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

/// What the work gives, waited for up to this long: a module may hang.
pub(crate) fn in_time<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    bounded(PKCS11, limit, |_| work())?
}
