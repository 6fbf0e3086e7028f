"""HTTP/2 with many streams at once: nghttp2's own client and server, in plain text."""
import os
import subprocess

from calls import LOOPBACK, free_port, main, word


def hundred_streams(work, size=100):
    """Two connections with a hundred streams each; every path is asked for once on each."""
    port, log = free_port(), work.log("http")
    pages = os.path.join(work.home, "pages")
    os.mkdir(pages)
    count = work.count // 2
    paths = ["/" + word(number) for number in range(count)]
    for path in paths[::2]:
        with open(pages + path, "w") as page:
            page.write("x" * size)
    work.servers.start(["nghttpd", "--no-tls", "-d", pages, "-n", "1", "-a", LOOPBACK, str(port)], port)
    list_ = os.path.join(work.home, "paths")
    with open(list_, "w") as file:
        file.writelines(f"http://{LOOPBACK}:{port}{path}\n" for path in paths)
    rate = ["--rps", str(work.rate / 2)] if work.rate else []
    subprocess.run(["h2load", "-n", str(2 * count), "-c", "2", "-m", "100", *rate, "-i", list_], check=True,
                   stdout=subprocess.DEVNULL)
    for number, path in enumerate(paths):
        log.tally("GET", 2, resource=path, status="404" if number % 2 else "200")
    log.close()


def large_bodies(work):
    """The same, and each frame of headers stands between other streams' bodies."""
    hundred_streams(work, 30_000)


if __name__ == "__main__":
    main({"hundred-streams": hundred_streams, "large-bodies": large_bodies})
