"""The deliverer's process."""

from services.notifier.deliverer.loop import main
from services.notifier.deliverer.pool_process import PoolProcess
from shared.runtime.process import run

if __name__ == "__main__":
    pool = PoolProcess()  # forked before there are threads
    try:
        run("deliverer", lambda service: main(service, pool))
    finally:
        pool.stop()
