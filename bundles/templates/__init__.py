"""What `edgeport bundle` hands to app teams: the same image arithmetic in Python, C++, Kotlin and Swift.

These files stand alone: none imports edgeport, or knows it. docs/guides/preprocess.md says what all four compute.
"""
