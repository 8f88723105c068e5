TENON_PLUGIN_REQUIRES_HOST([accel-tcg], [x86_64], [there is no code generator for this host])
TENON_PLUGIN_WITH([accel-tcg], [capstone], [capstone], [disassembly in the log of translated code], [libcapstone-dev])
