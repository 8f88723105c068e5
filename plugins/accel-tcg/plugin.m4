TENON_PLUGIN_REQUIRES_HOST([accel-tcg], [x86_64], [there is no code generator for this host])
