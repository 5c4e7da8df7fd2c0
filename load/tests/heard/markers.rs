use callrec_load as _;
