"""The deliverer's process.  A worker runs this file too (`__mp_main__`), and needs none of the deliverer's modules."""

if __name__ == "__main__":
    from services.notifier.deliverer.loop import main
    from shared.runtime.process import run

    run("deliverer", main)
