"""The Python wrapper of a bundle; its files lie side by side there, outside of any package."""
