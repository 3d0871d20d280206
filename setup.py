"""What setup.cfg cannot say: its ``find:`` takes no package that lies in another folder."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["camser*"]), "camser.recipes"])
