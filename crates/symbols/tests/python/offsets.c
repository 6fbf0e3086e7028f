/* Where the headers of this very Python have what crates/symbols/src/python/offsets.rs says. */
#define Py_BUILD_CORE
#include <Python.h>
#include <internal/pycore_runtime.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_frame.h>
#include <stddef.h>
#include <stdio.h>

#define SAY(name, type, field) printf("%s %zu\n", name, offsetof(type, field))

int main(void)
{
	SAY("interpreters", _PyRuntimeState, interpreters.head);
	SAY("interpreter_next", PyInterpreterState, next);
	SAY("threads", PyInterpreterState, threads.head);
	SAY("thread_next", PyThreadState, next);
	SAY("thread_id", PyThreadState, thread_id);
#if PY_VERSION_HEX < 0x030d0000
	SAY("current", PyThreadState, cframe);
	SAY("current_behind", _PyCFrame, current_frame);
	SAY("executable", _PyInterpreterFrame, f_code);
	SAY("instruction", _PyInterpreterFrame, prev_instr);
#else
	SAY("current", PyThreadState, current_frame);
	SAY("executable", _PyInterpreterFrame, f_executable);
	SAY("instruction", _PyInterpreterFrame, instr_ptr);
#endif
#if PY_VERSION_HEX < 0x030c0000
	SAY("entry", _PyInterpreterFrame, is_entry);
#endif
	SAY("previous", _PyInterpreterFrame, previous);
	SAY("owner", _PyInterpreterFrame, owner);
	SAY("first_line", PyCodeObject, co_firstlineno);
	SAY("name", PyCodeObject, co_qualname);
	SAY("file", PyCodeObject, co_filename);
	SAY("table", PyCodeObject, co_linetable);
	SAY("instructions", PyCodeObject, co_code_adaptive);
	SAY("bytes_size", PyVarObject, ob_size);
	SAY("bytes_data", PyBytesObject, ob_sval);
	SAY("text_length", PyASCIIObject, length);
	SAY("text_state", PyASCIIObject, state);
	printf("text_ascii %zu\n", sizeof(PyASCIIObject));
	printf("text_other %zu\n", sizeof(PyCompactUnicodeObject));
	PyASCIIObject text = { .state = { .kind = 1 } };
	unsigned state;
	__builtin_memcpy(&state, &text.state, sizeof(state));
	printf("text_kind %d\n", __builtin_ctz(state));
	return 0;
}
