TENON_PLUGIN_REQUIRES([net-user], [slirp >= 4.7], [libslirp-dev])
