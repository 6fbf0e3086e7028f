// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* No program: it only brings the shared types into an object, from whose BTF Rust mirrors them. */
#include "fathom/path.bpf.h"
#include "fathom/record.h"

struct record_header wire_header;
enum record_fate wire_fate;
enum record_call wire_call;
enum path_marks wire_path_marks;
