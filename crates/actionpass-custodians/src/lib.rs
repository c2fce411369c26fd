//! Every custodian of ActionPass by the scheme of its keys' URIs.
