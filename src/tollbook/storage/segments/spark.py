"""Asks a question of Parquet files with Spark: on this machine, or on as many as its master has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession


def ask(question: str, tables: Mapping[str, Sequence[Path]]) -> list[tuple[Any, ...]]:
    """Return the rows of a question; each table is some files of one schema.

    The master is what Spark's own configuration says (`SPARK_CONF_DIR`), else this machine.
    Arithmetic that overflows is an error, never a null.
    """
    session = (
        SparkSession.builder.appName("tollbook")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "true")
        # Few groups come out of many events; a cluster's own configuration may say otherwise.
        .config("spark.sql.adaptive.coalescePartitions.initialPartitionNum", "8")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    for name, files in tables.items():
        session.read.parquet(*(str(file) for file in files)).createOrReplaceTempView(name)
    return [tuple(row) for row in session.sql(question).collect()]
