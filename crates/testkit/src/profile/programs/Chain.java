// Chain SECONDS PID_FILE: as chain.c, in Java. Once it is warm it asks for its own perf map, and
// says in PID_FILE whose it is.

import java.nio.file.Files;
import java.nio.file.Path;
import java.lang.management.ManagementFactory;

public class Chain {
    static final int DEPTH = 20;

    static long leaf(long x) {
        for (int i = 0; i < 20000; i++) {
            x = (x ^ (x >>> 17)) * 6364136223846793005L + 1;
        }
        return x;
    }

    static long hot_a(long x) {
        for (int i = 0; i < 7; i++) {
            x = leaf(x);
        }
        return x;
    }

    static long hot_b(long x) {
        for (int i = 0; i < 2; i++) {
            x = leaf(x);
        }
        return x;
    }

    static long hot_c(long x) {
        return leaf(x);
    }

    static long dispatch(int which, long x) {
        switch (which) {
            case 0:
                return hot_a(x);
            case 1:
                return hot_b(x);
            default:
                return hot_c(x);
        }
    }

    static long rec(int depth, int which, long x) {
        return depth > 1 ? rec(depth - 1, which, x) : dispatch(which, x);
    }

    static long body(double seconds) {
        var threads = ManagementFactory.getThreadMXBean();
        long end = threads.getCurrentThreadCpuTime() + (long) (seconds * 1e9);
        long x = 1;
        while (threads.getCurrentThreadCpuTime() < end) {
            for (int which = 0; which < 3; which++) {
                x = rec(DEPTH, which, x);
            }
        }
        return x;
    }

    public static void main(String[] words) throws Exception {
        double seconds = Double.parseDouble(words[0]);
        long pid = ProcessHandle.current().pid();
        Files.writeString(Path.of(words[1]), Long.toString(pid));
        long x = body(seconds / 8);
        new ProcessBuilder("jcmd", Long.toString(pid), "Compiler.perfmap").start().waitFor();
        x += body(seconds);
        System.exit(x == 1 ? 1 : 0);
    }
}
