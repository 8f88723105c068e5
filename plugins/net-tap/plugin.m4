TENON_PLUGIN_REQUIRES_HEADER([net-tap], [linux/if_tun.h], [linux-libc-dev])
